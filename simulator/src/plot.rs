//! Plots, as SVG.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

/// A line: its name and its points.
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// A plot of lines over hours.
pub struct Plot<'a> {
    pub title: &'a str,
    /// What stands below, and what at the left, with units.
    pub across: &'a str,
    pub up: &'a str,
    pub lines: Vec<Line>,
}

/// Wong's palette, which most colour-blind people can tell apart.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
];
const SIZE: (u32, u32) = (900, 420);

type Failed = DrawingAreaErrorKind<std::io::Error>;

/// Writes plots one below the other.
pub fn write(file: &Path, plots: &[Plot<'_>]) -> Result<(), Box<dyn std::error::Error>> {
    let count = u32::try_from(plots.len()).unwrap_or(1);
    let root = SVGBackend::new(file, (SIZE.0, SIZE.1 * count)).into_drawing_area();
    root.fill(&WHITE)?;
    for (area, plot) in root.split_evenly((plots.len(), 1)).iter().zip(plots) {
        draw(area, plot)?;
    }
    root.present()?;
    Ok(())
}

fn draw(area: &DrawingArea<SVGBackend<'_>, Shift>, plot: &Plot<'_>) -> Result<(), Failed> {
    let points = || plot.lines.iter().flat_map(|line| &line.points);
    let right = points().map(|(x, _)| *x).fold(1e-9, f64::max);
    let left = points().map(|(x, _)| *x).fold(right, f64::min);
    let top = points().map(|(_, y)| *y).fold(1e-9, f64::max) * 1.1;
    // The legend stands beside the lines, where nothing is under it.
    let (_, below) = area.split_vertically(0);
    let (canvas, legend) = below.split_horizontally(SIZE.0 - 210);
    let mut chart = ChartBuilder::on(&canvas)
        .caption(plot.title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(74)
        .build_cartesian_2d(left..right, 0.0..top)?;
    chart
        .configure_mesh()
        .x_desc(plot.across)
        .y_desc(plot.up)
        .axis_desc_style(("sans-serif", 14))
        .label_style(("sans-serif", 13))
        .light_line_style(WHITE)
        .y_label_formatter(&|value| short(*value))
        .x_label_formatter(&|value| short(*value))
        .draw()?;
    for (line, colour) in plot.lines.iter().zip(COLOURS) {
        chart.draw_series(LineSeries::new(
            line.points.iter().copied(),
            colour.stroke_width(2),
        ))?;
    }
    for (n, (line, colour)) in plot.lines.iter().zip(COLOURS).enumerate() {
        let y = 52 + 24 * i32::try_from(n).unwrap_or(0);
        legend.draw(&PathElement::new([(4, y), (26, y)], colour.stroke_width(3)))?;
        legend.draw(&Text::new(
            line.name.clone(),
            (32, y - 8),
            ("sans-serif", 13),
        ))?;
    }
    Ok(())
}

fn short(value: f64) -> String {
    if value >= 1_000_000.0 {
        format!("{} M", (value / 100_000.0).round() / 10.0)
    } else if value >= 1_000.0 {
        format!("{} k", (value / 100.0).round() / 10.0)
    } else if value >= 10.0 || value == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{}", (value * 100.0).round() / 100.0)
    }
}
