//! The MQTT broker: a login under a client identifier of its own, which leaves the connection of a
//! running bridge alone.

use tokio::time::Instant;

use super::report::{Kind, Step, Subject};
use crate::addon;
use crate::config::{MqttConfig, SupervisorBroker};
use crate::mqtt::{Failure, Source, Stage, try_out};

/// Tests a broker, up to the step that fails.
pub(super) async fn test(config: &MqttConfig, source: Source) -> Subject {
    subject(steps(config, source).await)
}

/// The same for a broker that Home Assistant's Supervisor provides.
pub(super) async fn test_of_supervisor(broker: &SupervisorBroker) -> Subject {
    match addon::ask(broker, addon::LIMIT).await {
        Ok(config) => {
            let detail = format!("the broker is {}", config.place());
            let mut all = vec![Step::passed("supervisor", detail)];
            all.extend(steps(&config, Source::Supervisor).await);
            subject(all)
        }
        Err(error) => subject(vec![Step::failed("supervisor", error.problem())]),
    }
}

fn subject(steps: Vec<Step>) -> Subject {
    Subject { subject: "MQTT".to_owned(), kind: Kind::Broker, steps }
}

async fn steps(config: &MqttConfig, source: Source) -> Vec<Step> {
    let mut config = config.clone();
    config.client_id = Some(format!("{}-doctor", config.client_id()));
    let began = Instant::now();
    let outcome = try_out(&config).await;
    let failed_at = outcome.as_ref().err().map(Failure::stage);
    let mut steps: Vec<Step> = [Stage::Name, Stage::Tcp, Stage::Tls, Stage::Login]
        .into_iter()
        .filter(|stage| config.tls || *stage != Stage::Tls)
        .take_while(|stage| failed_at != Some(*stage))
        .map(|stage| Step::passed(stage.as_str(), passed(stage, &config)))
        .collect();
    if let Err(failure) = &outcome {
        steps.push(Step::failed(failure.stage().as_str(), failure.problem(source)));
    }
    // All stages are one attempt, so only the last one has its time.
    let last = steps.pop().map(|step| step.took(began.elapsed()));
    steps.extend(last);
    steps
}

fn passed(stage: Stage, config: &MqttConfig) -> String {
    match stage {
        Stage::Name => "resolved".to_owned(),
        Stage::Tcp => format!("{} accepts connections", config.place()),
        Stage::Tls => "the certificate is trusted".to_owned(),
        Stage::Login if config.username.is_some() => "user name and password accepted".to_owned(),
        Stage::Login => "accepted without a login".to_owned(),
    }
}
