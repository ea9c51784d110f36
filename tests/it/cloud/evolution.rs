//! A definition that grows on Redshift while files that were written under the old one still wait.

use std::time::Duration;

use super::world::World;
use crate::evolution::{GOODS, grown};
use crate::harness::text;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_come_and_grow_wider_while_old_files_wait() {
    let world = World::new(&[GOODS]).await;
    let patience = Duration::from_mins(2);
    let against = |folder: &str| {
        let folder = format!("datasets.folder={folder}");
        let told = world.json(&["--set", &folder, "check", "--against-warehouse"]);
        let steps = told["warehouse"][0]["changes"].as_array().expect("changes").iter();
        let steps = steps.map(|change| change["step"]["step"].as_str().expect("a step").to_owned()).collect::<Vec<_>>();
        (steps, told["warehouse"][0]["refused"].as_str().map(str::to_owned))
    };
    assert_eq!(against("datasets"), (vec!["create".to_owned()], None), "the family was never ensured");
    let worker = world.worker();
    land(&world, "goods_1.csv", "id,changed,note,price\n1,1,old,1.50\n2,1,,2.00\n").await;
    world.until_settled(1, patience).await;
    assert_eq!(against("datasets"), (Vec::new(), None));

    let paused = world.run(&["pause"]);
    assert!(paused.status.success(), "{}", text(&paused));
    land(&world, "goods_2.csv", "id,changed,note,price\n2,2,wait,3.25\n3,1,,\n").await;
    while world.states().get("written").copied().unwrap_or(0) < 1 {
        super::world::pause(Duration::from_millis(100)).await;
    }
    worker.stop();
    world.define("grown", &[&grown(GOODS)]);
    world.define("bent", &[&GOODS.replace("varchar(5)", "varchar(4)")]);
    let before = world.query("SELECT * FROM goods.goods__rows ORDER BY id, changed").await;
    assert_eq!(against("grown"), (["retype"; 4].into_iter().chain(["add"]).map(str::to_owned).collect(), None));
    let (_, refused) = against("bent");
    assert!(refused.expect("a refusal").contains("holds varchar(5) and is to hold varchar(4)"));
    let output = world.run(&["--set", "datasets.folder=bent", "check", "--against-warehouse"]);
    assert_eq!(output.status.code(), Some(64), "{}", text(&output));
    assert_eq!(world.query("SELECT * FROM goods.goods__rows ORDER BY id, changed").await, before, "nothing changed");

    assert!(world.run(&["resume"]).status.success());
    let newer = world.worker_by(&world.endpoints, &["--set", "datasets.folder=grown"]);
    let wide = "9007199254740993,70000,much longer than before,123456789012345678.99,us";
    land(&world, "goods_3.csv", &format!("id,changed,note,price,maker\n{wide}\n1,2,new,9.99,\n")).await;
    world.until_settled(3, patience).await;
    let rows = world.query("SELECT id, changed, note, price, maker FROM goods.goods ORDER BY id").await;
    assert_eq!(rows.len(), 4, "{rows:?}");
    assert_eq!(rows[0], ["1", "2", "new", "9.99", "nobody"]);
    assert_eq!((&rows[1][2], &rows[1][3]), (&"wait".to_owned(), &"3.25".to_owned()));
    assert_eq!(rows[3].join(","), wide);
    assert_eq!(against("grown"), (Vec::new(), None), "all is done");
    assert!(against("datasets").1.expect("its turn is over").contains("raise revision"));
    newer.stop();
}

async fn land(world: &World, key: &str, text: &str) {
    world.put(key, text).await;
    world.deliver(key).await;
}
