use super::*;
use crate::intake::Intake;

#[allow(dead_code, reason = "compiling it is the test")]
fn a_message_can_be_worked_on_by_any_thread(intake: Intake<'static>, message: Message) {
    fn is_send(_: impl Send) {}
    is_send(process(intake.ports, intake.settings, message, intake.keep, intake.observer, intake.cancel));
}
