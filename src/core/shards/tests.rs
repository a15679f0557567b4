use super::*;

#[test]
fn every_bucket_is_exactly_one_shards_and_the_shares_are_even() {
    for count in 1..=SHARDS_MAX {
        let mut owners = [0; 256];
        for shard in 0..count {
            let buckets = Buckets::of(shard, count);
            let mine: Vec<u8> = buckets.iter().collect();
            assert!(mine.windows(2).all(|pair| pair[1] - pair[0] == 1));
            let even = 256 / count;
            let len = u32::try_from(mine.len()).unwrap();
            assert!(len == even || len == even + 1, "{count}: {len}");
            for bucket in mine {
                assert!(buckets.has_bucket(bucket));
                owners[usize::from(bucket)] += 1;
            }
        }
        assert_eq!(owners, [1; 256], "{count}");
    }
}

/// Values of Kubernetes' own hash (`apimachinery/pkg/sharding/hash.go`).
#[test]
fn an_objects_shard_is_the_one_that_kubernetes_would_choose() {
    assert_eq!(bucket("foobar"), 0x85);
    assert_eq!(bucket("a"), 0xaf);
    assert_eq!(bucket(""), 0xcb);
    assert!(Buckets::of(1, 2).has("foobar"));
    assert!(!Buckets::of(0, 2).has("foobar"));
    assert!(Buckets::of(0, 1).has("foobar"));
}

#[test]
fn a_shards_selectors_tell_the_same_buckets() {
    let first = Buckets::of(0, 64);
    assert_eq!(
        first.label_selector(),
        "defendertenant.io/bucket in (00,01,02,03)"
    );
    assert_eq!(
        first.shard_selector(),
        "shardRange(object.metadata.uid, '0x0000000000000000', '0x0400000000000000')"
    );
    let last = Buckets::of(2, 3);
    assert_eq!(
        last.shard_selector(),
        "shardRange(object.metadata.uid, '0xaa00000000000000', '0x10000000000000000')"
    );
    assert!(last.has_bucket(0xaa) && !last.has_bucket(0xa9));
    assert!(last.label_selector().ends_with(",fe,ff)"));
}

#[test]
fn a_label_that_somebody_wrote_is_no_bucket_unless_it_is_one() {
    assert_eq!(bucket_of_label("0a"), Some(10));
    for text in ["", "a", "+1", "100", "zz", "ä"] {
        assert_eq!(bucket_of_label(text), None, "{text}");
    }
}
