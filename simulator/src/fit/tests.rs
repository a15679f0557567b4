//! A report that the model itself made is fitted, and predicted.

use super::*;
use crate::predict::{converge, predict, refresh, rotation};
use crate::random::Random;

/// The rows that the model itself would make: what a bench with these constants would report.
fn synthetic(calibration: &Calibration) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |name: &str, n: u64, value: f64| {
        rows.push(Row {
            name: name.to_owned(),
            n: Some(n),
            value,
            unit: "s".to_owned(),
            floor: None,
            ratio: None,
        });
    };
    let c = calibration;
    for n in [500, 1_000, 2_000, 10_000] {
        let count = size(n);
        add("converge", n, converge(c, count));
        add("converge_cpu", n, 0.1 + c.operator * count / 1_000.0);
        add(
            "converge_cpu_apiserver",
            n,
            0.2 + c.server * count / 1_000.0,
        );
        add("converge_cpu_etcd", n, c.etcd * count / 1_000.0);
        add("converge_cpu_emulator", n, c.emulator * count / 1_000.0);
        if PREDICTED.contains(&n) {
            add("refresh", n, refresh(c, count));
            add("rotation", n, rotation(c, count));
        } else {
            add(
                "refresh_cpu_operator",
                n,
                c.refresh_operator * count / 1_000.0,
            );
            add(
                "refresh_cpu_apiserver",
                n,
                c.refresh_server * count / 1_000.0,
            );
            add("refresh_cpu_etcd", n, c.refresh_etcd * count / 1_000.0);
        }
    }
    rows
}

#[test]
fn a_report_of_the_model_itself_with_noise_is_predicted_within_fifteen_percent() {
    let truth = Calibration {
        start_seconds: 0.7,
        unaccounted: 0.2,
        operator: 1.1,
        server: 3.4,
        etcd: 0.7,
        emulator: 0.5,
        refresh_operator: 0.9,
        refresh_server: 2.6,
        refresh_etcd: 0.6,
        ..Calibration::default()
    };
    let mut rows = synthetic(&truth);
    let mut random = Random::new(7);
    for row in &mut rows {
        row.value *= 0.97 + 0.06 * random.unit();
    }
    let fitted = fit(&rows, "a test", &Calibration::default()).unwrap();
    assert!(!fitted.placeholder);
    assert!(
        fitted.fitted.iter().all(|(_, n)| !PREDICTED.contains(n)),
        "{:?}",
        fitted.fitted
    );
    let predictions = predict(&fitted, &rows);
    assert_eq!(predictions.len(), 6);
    for prediction in predictions {
        let miss = prediction.miss().unwrap();
        assert!(miss.abs() < 0.15, "{prediction:?}: {miss}");
    }
    // It can fail: another machine's constants don't predict this report.
    let other = Calibration {
        server: 6.0,
        ..fitted
    };
    let off = predict(&other, &rows)
        .into_iter()
        .any(|p| p.miss().unwrap().abs() > 0.15);
    assert!(off);
}

#[test]
fn a_report_without_other_sizes_is_refused() {
    let rows = synthetic(&Calibration::default());
    let only: Vec<_> = rows
        .into_iter()
        .filter(|row| row.n == Some(2_000))
        .collect();
    assert_eq!(
        fit(&only, "a test", &Calibration::default()).unwrap_err().0,
        "converge_cpu"
    );
}

#[test]
fn what_is_spent_once_is_told_from_what_each_costs() {
    let (each, once) = line(&[(500.0, 1.5), (1_000.0, 2.5)]);
    assert!((each - 0.002).abs() < 1e-9 && (once - 0.5).abs() < 1e-9);
    let (each, once) = line(&[(500.0, 0.9), (1_000.0, 2.1)]);
    assert!((0.0018..0.0022).contains(&each) && once == 0.0);
}

#[test]
fn refreshes_that_were_not_measured_are_said() {
    let truth = Calibration {
        refresh_operator: 0.5,
        ..Calibration::default()
    };
    let rows: Vec<Row> = synthetic(&truth);
    let fitted_to = |rows: &[Row]| fit(rows, "a test", &Calibration::default()).unwrap();
    let all = fitted_to(&rows);
    assert_eq!(all.assumed, []);
    assert!((all.refresh_operator - 0.5).abs() < 0.01);
    let fewer: Vec<Row> = rows
        .into_iter()
        .filter(|row| row.name != "refresh_cpu_operator")
        .collect();
    let fitted = fitted_to(&fewer);
    let said: Vec<&str> = fitted.assumed.iter().map(|(row, _)| &**row).collect();
    assert_eq!(said, ["refresh_cpu_operator"]);
    assert!(crate::report::calibration(&fitted, &[]).contains("`refresh_cpu_operator`"));
    assert!((fitted.refresh_operator - fitted.operator).abs() < 1e-9);
}

#[test]
fn memory_is_fitted_to_all_sizes_that_were_measured() {
    let mut rows = synthetic(&Calibration::default());
    for (name, n, value) in [("rss", 1_000, 16.0), ("rss", 10_000, 52.0)] {
        rows.push(Row {
            name: name.to_owned(),
            n: Some(n),
            value,
            unit: "MiB".to_owned(),
            floor: None,
            ratio: None,
        });
    }
    let fitted = fit(&rows, "a test", &Calibration::default()).unwrap();
    assert!((fitted.memory(20_000) - 92.0).abs() < 0.01);
}

#[test]
fn the_operators_thread_uses_one_core_of_the_bench_and_others_use_both() {
    let bare = Calibration {
        unaccounted: 0.0,
        operator: 0.0,
        server: 0.0,
        etcd: 0.0,
        emulator: 0.0,
        turn: 0.0,
        ..Calibration::default()
    };
    let took = |calibration: &Calibration| converge(calibration, 500.0) - bare.start_seconds;
    let thread = took(&Calibration {
        operator: 20.0,
        ..bare.clone()
    });
    // Ten seconds of CPU, less what isn't waited for.
    assert!((9.5..10.6).contains(&thread), "{thread}");
    let cores = took(&Calibration {
        server: 20.0,
        ..bare.clone()
    });
    assert!((4.5..5.6).contains(&cores), "{cores}");
}
