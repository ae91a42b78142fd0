//! The blocks of a file in memory, held to a plain array of bytes.

#[path = "../vfs/pages.rs"]
mod file;

use file::{BLOCK, Pages};
use std::collections::BTreeMap;
use wasm_bindgen_test::wasm_bindgen_test;

/// A store that follows the file by its changes.
#[derive(Default)]
struct Follower(BTreeMap<usize, Vec<u8>>);

impl Follower {
    fn follow(&mut self, pages: &Pages) {
        let changes = pages.take_changes();
        self.0.extend(changes.blocks.into_iter().map(|(index, block)| (index, block.into_vec())));
        self.0.split_off(&changes.count);
        assert!(pages.is_clean());
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.values().flatten().copied().collect()
    }
}

#[wasm_bindgen_test]
fn who_follows_the_changes_has_the_file() {
    let (pages, mut model, mut follower) = (Pages::default(), Vec::new(), Follower::default());
    let mut random = 1u64;
    let mut below = |bound: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % bound
    };
    for round in 0..400 {
        let (offset, length) = (below(6 * BLOCK), 1 + below(2 * BLOCK));
        if round % 3 == 0 {
            model.resize(offset, 0);
            pages.truncate(offset as u64).unwrap();
        } else {
            let bytes = vec![round as u8; length];
            model.resize(model.len().max(offset + length), 0);
            model[offset..offset + length].copy_from_slice(&bytes);
            pages.write(&bytes, offset as u64).unwrap();
        }
        assert_eq!(pages.size(), model.len() as u64);
        let mut read = vec![7; 9 * BLOCK];
        let there = pages.read(&mut read, 0).unwrap();
        assert_eq!(read[..there], model, "round {round}");
        if round % 5 == 0 {
            follower.follow(&pages);
            assert_eq!(follower.bytes(), model, "round {round}");
        }
    }
    let again = Pages::default();
    follower.follow(&pages);
    again.load(follower.0.into_values());
    let mut read = vec![0; model.len()];
    assert_eq!(again.read(&mut read, 0).unwrap(), model.len());
    assert_eq!(read, model);
    assert!(again.is_clean());
}
