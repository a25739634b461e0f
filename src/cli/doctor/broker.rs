//! The MQTT broker: how far a connection comes, under a name of its own, so that a bridge that runs
//! keeps its place there.

use tokio::time::Instant;

use super::report::{Kind, Step, Subject};
use crate::addon;
use crate::config::MqttConfig;
use crate::config::OfferedBroker;
use crate::mqtt::{Failure, Source, Stage, try_out};

/// All steps up to the one that fails.
pub(super) async fn look(config: &MqttConfig, source: Source) -> Subject {
    let mut config = config.clone();
    config.client_id = Some(format!("{}-doctor", config.client_id()));
    let began = Instant::now();
    let outcome = try_out(&config).await;
    let took = began.elapsed();
    let failed_at = outcome.as_ref().err().map(Failure::stage);
    let stages = [Stage::Name, Stage::Tcp, Stage::Tls, Stage::Login];
    let taken = stages
        .into_iter()
        .filter(|stage| config.tls || *stage != Stage::Tls)
        .take_while(|stage| failed_at.is_none_or(|failed| *stage != failed));
    let mut steps: Vec<Step> =
        taken.map(|stage| Step::fine(stage.as_str(), passed(stage, &config))).collect();
    if let Err(failure) = &outcome {
        let cure = failure.cure(source).unwrap_or("look at the broker's own log".into());
        steps.push(Step::wrong(failure.stage().as_str(), failure.cause(), cure));
    }
    // They are one attempt, whose time is told at its end.
    let last = steps.pop().map(|step| step.taking(took));
    steps.extend(last);
    Subject { subject: "MQTT".to_owned(), kind: Kind::Broker, steps }
}

/// The same for the broker that Home Assistant's Supervisor is to tell.
pub(super) async fn look_up(offered: &OfferedBroker) -> Subject {
    match addon::ask(offered, addon::LIMIT).await {
        Ok(config) => {
            let mut subject = look(&config, Source::Supervisor).await;
            let told = Step::fine("supervisor", format!("tells the broker {}", config.place()));
            subject.steps.insert(0, told);
            subject
        }
        Err(error) => {
            let problem = error.problem();
            let steps =
                vec![Step::wrong("supervisor", problem.cause, problem.remedy.unwrap_or_default())];
            Subject { subject: "MQTT".to_owned(), kind: Kind::Broker, steps }
        }
    }
}

fn passed(stage: Stage, config: &MqttConfig) -> String {
    match stage {
        Stage::Name => "its address is known".to_owned(),
        Stage::Tcp => format!("{} answers", config.place()),
        Stage::Tls => "the certificate is trusted".to_owned(),
        Stage::Login if config.username.is_some() => "user name and password accepted".to_owned(),
        Stage::Login => "accepted without a login".to_owned(),
    }
}
