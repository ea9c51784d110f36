//! One rental flat as the portal's API delivers it: a flat object of 131 keys, of which many may be missing.

use std::fmt::Write;

use crate::sample::random::Random;

const QUARTERS: [(&str, &str, &str, u64); 12] = [
    ("Mitte (Mitte)", "10115", "Chausseestraße", 1690),
    ("Prenzlauer Berg", "10405", "Kollwitzstraße", 1580),
    ("Kreuzberg", "10999", "Oranienstraße", 1490),
    ("Neukölln", "12043", "Sonnenallee", 1240),
    ("Friedrichshain", "10245", "Boxhagener Straße", 1450),
    ("Charlottenburg", "10585", "Wilmersdorfer Straße", 1420),
    ("Schöneberg", "10823", "Akazienstraße", 1380),
    ("Wedding", "13347", "Müllerstraße", 1150),
    ("Köpenick", "12555", "Grünauer Straße", 980),
    ("Weißensee", "13086", "Große Seestraße", 1090),
    ("Steglitz", "12163", "Schloßstraße", 1120),
    ("Spandau", "13597", "Breite Straße", 920),
];
const COMPANIES: [&str; 8] = [
    "Musterhaus Verwaltung GmbH",
    "Ålesund & Söhne Immobilien",
    "Kästner Grundbesitz KG",
    "Wohnbau Übersee eG",
    "Żuraw Nieruchomości",
    "Haus am Öhringer See",
    "Nordlicht Wohnen AG",
    "Çiçek Emlak",
];
const FIRST_NAMES: [&str; 8] = ["Erika", "Jürgen", "Anaïs", "Øystein", "Zoë", "Władysław", "Ayşe", "Hô"];
const LAST_NAMES: [&str; 8] = ["Mustermann", "Grünspan", "Núñez", "Ångström", "Strauß", "Łukasik", "Öztürk", "Nguyễn"];
const TITLES: [&str; 8] = [
    "Helle Altbauwohnung mit Südbalkon 🌞",
    "Ruhig im Hinterhaus, \"wie auf dem Land\"",
    "Dachgeschoß – Erstbezug nach Sanierung",
    "Zwei Zimmer, Küche, Bad / EBK",
    "Wohnen am Wasser · 200 m zur Spree",
    "WG-geeignet: drei gleich große Zimmer",
    "Möbliertes Apartment (befristet)",
    "Familientraum mit Garten & Keller",
];
const SENTENCES: [&str; 8] = [
    "Die Wohnung liegt im gepflegten Vorderhaus und wird über ein ruhiges Treppenhaus betreten.",
    "Abgezogene Dielen, Stuck an der Decke und große Fenster geben den Räumen ihren Charakter.",
    "In der Küche bleiben Herd und Spüle; der Rest darf mitgebracht werden.",
    "Der Balkon blickt nach Südwesten in eine alte Kastanie.",
    "Einkauf, U-Bahn und zwei Kitas sind zu Fuß in fünf Minuten erreicht.",
    "Haustiere nach Absprache – fragen kostet nichts ☺.",
    "Der Keller ist trocken,\nder Fahrradraum abschließbar.",
    "Besichtigung nur nach Termin\t(werktags ab 17 Uhr).",
];

/// Which flat, and what of it changes over time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listing {
    /// The listing's id.
    pub(crate) id: u64,
    /// How often it was changed.
    pub(crate) revision: u64,
    /// Seconds since 1970 of the change.
    pub(crate) modified: i64,
}

/// Seconds since 1970 as `2019-01-12T11:32:11.975Z`.
fn instant(seconds: i64) -> String {
    chrono::DateTime::from_timestamp(seconds, 975_000_000)
        .map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
        .unwrap_or_default()
}

/// The same instant an hour further east, as `2017-07-14T16:20:06.000+01:00`.
fn local(seconds: i64) -> String {
    chrono::DateTime::from_timestamp(seconds + 3_600, 0)
        .map(|at| at.format("%Y-%m-%dT%H:%M:%S.000+01:00").to_string())
        .unwrap_or_default()
}

fn cents(amount: u64) -> String {
    if amount.is_multiple_of(100) {
        (amount / 100).to_string()
    } else {
        format!("{}.{:02}", amount / 100, amount % 100)
    }
}

/// The members of one JSON object, in order.
struct Members {
    text: String,
}

impl Members {
    fn raw(&mut self, key: &str, value: &str) {
        if !self.text.is_empty() {
            self.text.push_str(", ");
        }
        // Writing to a String cannot fail.
        let _infallible = write!(self.text, "\"{key}\": {value}");
    }

    fn text(&mut self, key: &str, value: &str) {
        self.raw(key, &serde_json::Value::from(value).to_string());
    }

    fn number(&mut self, key: &str, value: u64) {
        self.raw(key, &value.to_string());
    }

    /// As the API writes truth: a text.
    fn truth(&mut self, key: &str, value: bool) {
        self.text(key, if value { "true" } else { "false" });
    }
}

/// The line of one listing: `{"ok": true, "data": {…}}`, without a line end.
pub(crate) fn line(seed: u64, listing: Listing) -> String {
    format!("{{\"ok\": true, \"data\": {{{}}}}}", members(seed, listing))
}

fn members(seed: u64, listing: Listing) -> String {
    // What a flat is depends on its id alone; what it costs also on its revision.
    let mut flat = Random::of(&[seed, 1, listing.id]);
    let mut change = Random::of(&[seed, 2, listing.id, listing.revision]);
    let mut m = Members { text: String::with_capacity(8_000) };
    let id = listing.id.to_string();
    let published = listing.modified - i64::try_from(flat.between(3_600, 86_400 * 60)).unwrap_or(0) - 86_400;
    let (quarter, postcode, street, per_sqm) = flat.pick(&QUARTERS);
    let company = flat.pick(&COMPANIES);
    let (first, last) = (flat.pick(&FIRST_NAMES), flat.pick(&LAST_NAMES));
    let living_space = flat.between(24, 160);
    let base_rent = living_space * (per_sqm + change.below(400)) / 10 * 10 + change.below(100);
    let service = living_space * flat.between(180, 320);
    let heating = living_space * flat.between(80, 160);
    let rooms = 1 + living_space / 32;
    let expose = format!("https://rest.portal.example/restapi/api/search/v1.0/expose/{id}");

    m.text("contactFormType", "LONG");
    m.text("creation", &local(published));
    m.text("id", &id);
    m.text("modification", &instant(listing.modified));
    m.text("publishDate", &local(published));
    m.text("xlink_href", &expose);
    for key in ["adLinkForJSONP_xlink_href", "adLinkForXMLData_xlink_href"] {
        m.text(key, &format!("https://ads.portal.example/adx?sz=420x315&t=obj_regio1%3DBerlin%26obj_zipCode%3D{postcode}%26obj_scoutId%3D{id}"));
    }
    m.text("companyWideCustomerId", &format!("001.{}", flat.between(100_000, 999_999)));
    m.text("contactDetails_id", &id);
    m.text("contactDetails_address_city", "Berlin");
    m.text("contactDetails_address_houseNumber", &flat.between(1, 180).to_string());
    m.text("contactDetails_address_postcode", postcode);
    m.text("contactDetails_address_street", street);
    for (key, area) in [("cellPhoneNumber", "170"), ("faxNumber", "30"), ("phoneNumber", "30")] {
        if key != "phoneNumber" && flat.percent(40) {
            continue;
        }
        let subscriber = format!("{:03} {:02} {:02}", flat.below(1_000), flat.below(100), flat.below(100));
        m.text(&format!("contactDetails_{key}"), &format!("0{area} {subscriber}"));
        m.text(&format!("contactDetails_{key}AreaCode"), area);
        m.text(&format!("contactDetails_{key}CountryCode"), "+49");
        m.text(&format!("contactDetails_{key}Subscriber"), &subscriber);
    }
    m.text("contactDetails_company", company);
    m.text("contactDetails_countryCode", "DEU");
    if flat.percent(80) {
        m.text("contactDetails_email", &format!("kontakt{}@makler.example", flat.below(500)));
    }
    m.text("contactDetails_firstname", first);
    m.text("contactDetails_homepageUrl", "http://www.makler.example");
    m.text("contactDetails_lastname", last);
    m.text("contactDetails_salutation", flat.pick(&["MALE", "FEMALE", "NO_SALUTATION"]));
    for field in [
        "addressField",
        "applicationPackageCompletedField",
        "emailAddressField",
        "employmentRelationshipField",
        "firstnameField",
        "incomeField",
        "lastnameField",
        "messageField",
        "moveInDateField",
        "numberOfPersonsField",
        "petsInHouseholdField",
        "phoneNumberField",
        "salutationField",
    ] {
        m.text(&format!("contactFormConfiguration_{field}"), flat.pick(&["MANDATORY", "OPTIONAL"]));
    }
    m.number("contactFormConfiguration_freemiumSettings_duration", 0);
    m.truth("contactFormConfiguration_premiumProfileRequired", false);
    m.text("imprintLink_xlink_href", &format!("{expose}/imprint"));
    real_estate(
        &mut m,
        &mut flat,
        &mut change,
        listing,
        published,
        &Home { id: &id, quarter, postcode, living_space, rooms, base_rent, service, heating, expose: &expose },
    );
    for key in ["realtorValuationJSONLink", "realtorValuationV2JSONLink", "realtorValuationV2JSONPLink"] {
        m.text(&format!("{key}_xlink_href"), "https://www.portal.example/expose/realtorEvaluation/no-information");
    }
    m.text
}

struct Home<'a> {
    id: &'a str,
    quarter: &'a str,
    postcode: &'a str,
    living_space: u64,
    rooms: u64,
    base_rent: u64,
    service: u64,
    heating: u64,
    expose: &'a str,
}

fn real_estate(
    m: &mut Members,
    flat: &mut Random,
    change: &mut Random,
    listing: Listing,
    published: i64,
    home: &Home<'_>,
) {
    let e = |key: &str| format!("realEstate_{key}");
    let total = home.base_rent + home.service + home.heating;
    let picture = format!("https://pictures.portal.example/listings/{:016x}.jpg/ORIG", flat.below(u64::MAX));
    m.text(&e("id"), home.id);
    m.text(&e("xsi_type"), "expose:ApartmentRent");
    m.text(&e("address_city"), "Berlin");
    for (level, name, code) in
        [("city", "Berlin", 1), ("country", "Deutschland", 276), ("quarter", home.quarter, 46), ("region", "Berlin", 3)]
    {
        m.text(&e(&format!("address_geoHierarchy_{level}_fullGeoCodeId")), &format!("1276003{code:03}"));
        m.number(&e(&format!("address_geoHierarchy_{level}_geoCodeId")), code);
        m.text(&e(&format!("address_geoHierarchy_{level}_name")), name);
    }
    m.text(&e("address_geoHierarchy_continent_fullGeoCodeId"), "1");
    m.number(&e("address_geoHierarchy_continent_geoCodeId"), 1);
    m.number(&e("address_geoHierarchy_neighbourhood_geoCodeId"), 11_000_000_002_000 + flat.below(200));
    m.text(&e("address_postcode"), home.postcode);
    m.text(&e("address_quarter"), home.quarter);
    m.text(&e("apartmentType"), flat.pick(&["APARTMENT", "ROOF_STOREY", "GROUND_FLOOR", "MAISONETTE", "LOFT"]));
    m.truth(&e("assistedLiving"), false);
    let pictures: Vec<String> = (1..=flat.between(1, 6))
        .map(|n| format!("{{\"@id\": \"{n}\", \"title\": \"Zimmer {n}\", \"urls\": [{{\"url\": [{{\"@scale\": \"SCALE\", \"@href\": \"{picture}/{n}\"}}]}}]}}"))
        .collect();
    m.raw(
        &e("attachments"),
        &format!("[{{\"@xlink.href\": \"{}/attachment\", \"attachment\": [{}]}}]", home.expose, pictures.join(", ")),
    );
    m.truth(&e("balcony"), flat.percent(60));
    m.raw(&e("baseRent"), &cents(home.base_rent));
    m.text(&e("buildingEnergyRatingType"), flat.pick(&["ENERGY_CONSUMPTION", "ENERGY_REQUIRED"]));
    m.truth(&e("builtInKitchen"), flat.percent(70));
    m.raw(&e("calculatedTotalRent"), &cents(total));
    m.text(&e("calculatedTotalRentScope"), "WARM_RENT");
    m.text(&e("cellar"), flat.pick(&["YES", "NOT_APPLICABLE"]));
    m.truth(&e("certificateOfEligibilityNeeded"), flat.percent(5));
    m.text(
        &e("condition"),
        flat.pick(&["WELL_KEPT", "REFURBISHED", "FIRST_TIME_USE_AFTER_REFURBISHMENT", "NO_INFORMATION"]),
    );
    if flat.percent(85) {
        m.number(&e("constructionYear"), flat.between(1880, 2018));
    }
    m.text(&e("courtage_hasCourtage"), "NOT_APPLICABLE");
    m.text(&e("creationDate"), &local(published));
    if flat.percent(90) {
        m.text(&e("deposit"), flat.pick(&["3 Kaltmieten", "drei Nettokaltmieten", "2.500 €", "nach Vereinbarung"]));
    }
    let words = usize::try_from(flat.between(2, 8)).unwrap_or(2);
    let note: Vec<&str> = (0..words).map(|_| flat.pick(&SENTENCES)).collect();
    m.text(&e("descriptionNote"), &note.join("\n"));
    m.text(&e("energyCertificate_energyCertificateAvailability"), "AVAILABLE");
    m.text(&e("energyCertificate_energyCertificateCreationDate"), "BEFORE_01_MAY_2014");
    m.text(&e("energyConsumptionContainsWarmWater"), "NOT_APPLICABLE");
    m.truth(&e("energyPerformanceCertificate"), true);
    m.text(&e("externalId"), home.id);
    if flat.percent(95) {
        m.number(&e("floor"), flat.below(7));
    }
    m.truth(&e("floorplan"), flat.percent(30));
    if flat.percent(80) {
        m.text(&e("freeFrom"), flat.pick(&["sofort", "01.07.17", "nach Absprache", "ab 1. März"]));
    }
    m.text(&e("furnishingNote"), flat.pick(&SENTENCES));
    m.truth(&e("garden"), flat.percent(20));
    m.text(&e("guestToilet"), flat.pick(&["YES", "NOT_APPLICABLE"]));
    m.text(&e("handicappedAccessible"), "NOT_APPLICABLE");
    m.raw(&e("heatingCosts"), &cents(home.heating));
    m.text(&e("heatingCostsInServiceCharge"), flat.pick(&["YES", "NO", "NO_INFORMATION"]));
    m.text(&e("heatingType"), "CENTRAL_HEATING");
    m.text(&e("heatingTypeEnev2014"), "CENTRAL_HEATING");
    m.text(&e("interiorQuality"), flat.pick(&["NORMAL", "SOPHISTICATED", "LUXURY", "NO_INFORMATION"]));
    m.text(&e("lastModificationDate"), &instant(listing.modified));
    if flat.percent(40) {
        m.number(&e("lastRefurbishment"), flat.between(1990, 2018));
    }
    m.truth(&e("lift"), flat.percent(35));
    m.number(&e("livingSpace"), home.living_space);
    m.text(&e("locationNote"), flat.pick(&SENTENCES));
    m.number(&e("numberOfFloors"), flat.between(3, 8));
    let half = if flat.percent(20) { ".5" } else { "" };
    m.raw(&e("numberOfRooms"), &format!("{}{half}", home.rooms));
    m.text(&e("otherNote"), flat.pick(&SENTENCES));
    m.text(&e("petsAllowed"), flat.pick(&["YES", "NO", "NEGOTIABLE", "NO_INFORMATION"]));
    for key in ["referencePriceApiCall", "referencePriceServiceCall"] {
        m.text(
            &e(key),
            &format!("https://www.portal.example/realestatevaluation/ajax/v2.2/referenceprice/region/3/{}", home.id),
        );
    }
    m.raw(&e("serviceCharge"), &cents(home.service));
    m.text(&e("state"), if change.percent(92) { "ACTIVE" } else { "INACTIVE" });
    m.number(&e("thermalCharacteristic"), flat.between(40, 220));
    m.text(&e("title"), flat.pick(&TITLES));
    for key in ["creation", "modification", "publishDate"] {
        m.text(&e(&format!("titlePicture_{key}")), &instant(listing.modified));
    }
    m.text(&e("titlePicture_id"), "1");
    m.truth(&e("titlePicture_floorplan"), false);
    m.text(&e("titlePicture_title"), "Hofansicht");
    m.truth(&e("titlePicture_titlePicture"), true);
    m.raw(&e("titlePicture_urls"), &format!("[{{\"url\": [{{\"@scale\": \"SCALE\", \"@href\": \"{picture}\"}}]}}]"));
    m.raw(&e("totalRent"), &cents(total));
    m.text(&e("useAsFlatshareRoom"), "NOT_APPLICABLE");
}
