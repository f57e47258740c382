//! The Helm chart of `deploy/helm`, rendered as Helm does it: what Kubernetes would be told. What is rendered stays in
//! `target/deploy/`, where `cargo xtask test --only deploy` holds it against the schemas of Kubernetes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod helm;

use helm::{render, value};
use serde_json::{Value, json};

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    let one = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "more than one {kind}");
    one
}

/// The value of a variable of the server's container.
fn variable<'a>(deployment: &'a Value, name: &str) -> Option<&'a Value> {
    let variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        .as_array()
        .unwrap();
    variables.iter().find(|variable| variable["name"] == name)
}

#[test]
fn a_pod_has_the_machines_ports_and_rights_to_nothing_else() {
    let objects = render("default", json!({}));
    let deployment = of_kind(&objects, "Deployment");
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(pod["hostNetwork"], true);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(container["securityContext"]["capabilities"]["drop"], json!(["ALL"]));
    let ports: Vec<(&Value, &Value)> = container["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|port| (&port["containerPort"], &port["hostPort"]))
        .collect();
    let both = [json!(7880), json!(7882), json!(7883)];
    assert_eq!(ports, both.iter().map(|port| (port, port)).collect::<Vec<_>>());
    assert_eq!(container["image"], "enfilade:0.1.0");
    assert!(objects.iter().all(|object| object["kind"] != "HorizontalPodAutoscaler"));
    let disruption = of_kind(&objects, "PodDisruptionBudget");
    assert_eq!(
        disruption["spec"]["selector"]["matchLabels"],
        deployment["spec"]["template"]["metadata"]["labels"]
    );
}

#[test]
fn kubernetes_waits_longer_than_a_draining_node() {
    let objects = render("drain", json!({"drainSeconds": 900}));
    let deployment = of_kind(&objects, "Deployment");
    assert_eq!(
        variable(deployment, "ENFILADE_SHUTDOWN__GRACE").unwrap()["value"],
        "900s"
    );
    assert_eq!(
        deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"],
        930
    );
}

#[test]
fn many_pods_are_a_cluster_that_grows_with_the_load_of_its_media_threads() {
    let values = json!({
        "nats": "nats://nats:4222",
        "autoscaling": {"enabled": true, "maxReplicas": 40},
        "serviceMonitor": {"enabled": true},
        "ingress": {"enabled": true, "className": "nginx", "host": "meet.example.org", "tlsSecret": "meet-tls"},
        "nodeSelector": {"role": "media"},
        "tolerations": [{"key": "media", "operator": "Exists", "effect": "NoSchedule"}],
        "config": "[media]\nadvertised = [\"203.0.113.7\"]\n",
        "media": {"firstPort": 10_000, "shards": 8},
    });
    let objects = render("all", values);
    let deployment = of_kind(&objects, "Deployment");
    assert_eq!(
        variable(deployment, "ENFILADE_CLUSTER__NATS").unwrap()["value"],
        "nats://nats:4222"
    );
    assert!(
        variable(deployment, "ENFILADE_MEDIA__ADVERTISED").is_none(),
        "the operator's counts"
    );
    assert!(
        deployment["spec"].get("replicas").is_none(),
        "the autoscaler's business"
    );
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["nodeSelector"], json!({"role": "media"}));
    assert_eq!(pod["tolerations"][0]["key"], "media");
    assert_eq!(pod["containers"][0]["ports"].as_array().unwrap().len(), 9);
    let scaler = of_kind(&objects, "HorizontalPodAutoscaler");
    assert_eq!(scaler["spec"]["scaleTargetRef"]["name"], deployment["metadata"]["name"]);
    assert_eq!(
        (&scaler["spec"]["minReplicas"], &scaler["spec"]["maxReplicas"]),
        (&json!(2), &json!(40))
    );
    assert_eq!(of_kind(&objects, "Ingress")["spec"]["tls"][0]["secretName"], "meet-tls");
    of_kind(&objects, "ServiceMonitor");
}

#[test]
fn the_configuration_of_a_pod_is_one_that_the_server_reads() {
    let text = "[media]\nadvertised = [\"203.0.113.7\"]";
    let objects = render("config", json!({ "config": text }));
    let toml = of_kind(&objects, "ConfigMap")["data"]["enfilade.toml"]
        .as_str()
        .unwrap();
    assert!(
        toml.starts_with("mode = \"production\"\n") && toml.contains(text),
        "{toml}"
    );
    let deployment = of_kind(&render("default", json!({})), "Deployment").clone();
    let known = value(include_str!("../../config/default.toml"));
    let variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        .as_array()
        .unwrap()
        .clone();
    for variable in variables {
        let name = variable["name"].as_str().unwrap();
        let Some(key) = name.strip_prefix("ENFILADE_").filter(|key| *key != "CONFIG") else {
            continue;
        };
        let path = key.to_lowercase().split("__").map(str::to_owned).collect::<Vec<_>>();
        let there = path.iter().try_fold(&known, |value, word| value.get(word));
        assert!(there.is_some(), "{name} is no key of the configuration");
    }
}

#[test]
fn what_compose_files_mount_is_there_and_every_node_is_scraped() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    // Made by whoever runs them, as the head of each file says.
    let own = ["./keys.toml", "./enfilade.toml"];
    for file in ["compose.yaml", "compose.cluster.yaml"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        let compose: Value = serde_norway::from_str(&text).unwrap();
        let services = compose["services"].as_object().unwrap();
        let known: Vec<&String> = compose["volumes"]
            .as_object()
            .into_iter()
            .flat_map(|all| all.keys())
            .collect();
        for (name, service) in services {
            for mount in service["volumes"].as_array().into_iter().flatten() {
                let source = mount.as_str().unwrap().split(':').next().unwrap();
                let there = own.contains(&source)
                    || known.iter().any(|volume| *volume == source)
                    || source.starts_with("./") && folder.join(source).exists();
                assert!(there, "{file}: {name} mounts {source}");
            }
        }
        let scraped = std::fs::read_to_string(folder.join("prometheus/prometheus.yml")).unwrap();
        for service in services.values() {
            if let Some(listen) = service["environment"]["ENFILADE_HTTP__LISTEN"].as_str() {
                assert!(scraped.contains(listen), "{listen} is not scraped");
            }
        }
    }
}
