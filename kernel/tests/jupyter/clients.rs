//! Several clients, clients that go and come back.

use super::{MINERVA, start};
use minerva_tests::client::{Client, Kernel, Ports, cell};
use serde_json::json;
use std::time::Duration;

#[test]
fn two_clients_see_the_same_and_a_client_that_comes_back_is_answered() {
    let (kernel, mut first) = start();
    let mut second = kernel.connect();
    assert_eq!(first.iopub().kind(), "iopub_welcome", "a welcome goes to every subscriber");
    let id = second.start("5");
    assert_eq!(second.finish(&id).result(), Some("5"));
    let seen: Vec<String> = (0..4).map(|_| first.iopub()).map(|m| m.kind().to_owned()).collect();
    assert_eq!(seen, ["status", "execute_input", "execute_result", "status"]);
    drop((first, second));
    for _ in 0..10 {
        let mut back = Client::connect_as(&kernel.ports, "the-same-identity");
        assert_eq!(back.run("1").result(), Some("1"));
    }
}

#[test]
fn ten_clients_come_back_with_their_identities_after_a_restart() {
    let (mut kernel, mut first) = start();
    let names: Vec<String> = (0..10).map(|n| format!("client-{n}")).collect();
    let connect = |ports: &Ports| -> Vec<Client> {
        let mut clients: Vec<Client> = names.iter().map(|name| Client::connect_as(ports, name)).collect();
        clients.iter_mut().for_each(Client::among_others);
        clients
    };
    // All at once, each its own cells; every reply must find its way.
    let talk = |clients: Vec<Client>| {
        let threads: Vec<_> = clients
            .into_iter()
            .enumerate()
            .map(|(n, mut client)| {
                std::thread::spawn(move || {
                    for round in 0..5 {
                        assert_eq!(
                            client.run(&format!("{n} * 10 + {round}")).result(),
                            Some(&*(n * 10 + round).to_string())
                        );
                        client.ask("kernel_info", json!({}));
                    }
                    client
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    };
    let clients = talk(connect(&kernel.ports));
    first.among_others();
    for _ in 0..3 {
        let id = first.send_control("shutdown_request", json!({ "restart": true }));
        first.expect_control(&id, "shutdown_reply");
        assert!(kernel.wait().success());
        kernel.restart(MINERVA);
        // The old connections are still there, as those of a front end are that has not noticed yet.
        drop(talk(connect(&kernel.ports)));
        first.leave();
        first = Client::connect_as(&kernel.ports, "first");
        first.among_others();
    }
    clients.into_iter().for_each(Client::leave);
}

#[test]
fn a_client_that_takes_the_place_of_one_that_vanished_gets_its_replies() {
    let (kernel, mut witness) = start();
    witness.among_others();
    for round in 0..20 {
        let mut client = Client::connect_as(&kernel.ports, "the-same");
        let id = client.send("execute_request", cell(&round.to_string()));
        // Replies to the one that vanished reach whoever has its identity; this one waits for its own.
        assert_eq!(client.eventual_reply(&id)["status"], "ok");
        // It goes with requests on the way.
        for _ in 0..50 {
            client.send("kernel_info_request", json!({}));
        }
        client.leave();
    }
    assert_eq!(witness.run("1").result(), Some("1"));
}

#[test]
fn a_client_that_vanishes_in_a_flood_stops_nobody() {
    let (kernel, mut witness) = start();
    let mut talker = Client::connect_as(&kernel.ports, "talker");
    witness.among_others();
    talker.start("let n = 0; loop { print(n); n += 1; }");
    for _ in 0..20 {
        talker.iopub();
    }
    talker.leave();
    let interrupt = witness.send_control("interrupt_request", json!({}));
    witness.expect_control(&interrupt, "interrupt_reply");
    witness.expect_status(&interrupt, "busy");
    witness.expect_status(&interrupt, "idle");
    // Answered when the cell has ended; until then, its error would abort a cell that waits.
    witness.ask("kernel_info", json!({}));
    assert_eq!(witness.run("n > 0").result(), Some("true"));
    let mut back = Client::connect_as(&kernel.ports, "talker");
    // The reply to its cell may have waited for it.
    let id = back.send("execute_request", cell("2"));
    assert_eq!(back.eventual_reply(&id)["status"], "ok");
    back.leave();
}

#[test]
fn a_cell_that_is_sent_before_the_subscription_has_arrived_loses_no_output() {
    for late in [0, 100, 200] {
        let kernel = Kernel::start(MINERVA);
        let late = Duration::from_millis(late);
        let (mut client, id) = Client::connect_late(&kernel.ports, "execute_request", cell("print(1); 2"), late);
        client.expect_status(&id, "busy");
        client.expect_iopub(&id, "execute_input");
        assert_eq!(client.finish(&id).kinds(), ["stream", "execute_result"]);
    }
}
