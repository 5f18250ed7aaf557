//! Every node of the table keeps the contract.

use airchain_core::dsp::NODES;
use testkit::alloc::CountingAllocator;
use testkit::contract::node_contract;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn every_node_keeps_the_contract() {
    assert!(!NODES.is_empty());
    std::thread::scope(|scope| {
        for entry in NODES {
            std::thread::Builder::new()
                .name(entry.info.name.to_owned())
                .spawn_scoped(scope, || node_contract(entry))
                .unwrap();
        }
    });
}
