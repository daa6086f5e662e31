#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::display::Bundle;
use crate::session::{Execute, Session, SessionOptions};
use serde_json::Value;
use std::sync::Arc;

fn run(code: &str) -> Result<Bundle, String> {
    let mut session = Session::new(SessionOptions::default());
    let outcome = session.execute(&Execute::cell(code, "In[1]"), Arc::new(|_| {}));
    outcome.result.map(Option::unwrap_or_default).map_err(|e| e.to_string())
}

fn spec(code: &str) -> Value {
    run(code).unwrap_or_else(|e| panic!("{code}: {e}")).data["application/vnd.vegalite.v5+json"].clone()
}

/// The rows of a layer's data.
fn values(spec: &Value, layer: usize) -> &Vec<Value> {
    spec["layer"][layer]["data"]["values"].as_array().unwrap()
}

#[test]
fn a_chart_is_vega_lite_png_and_text_and_never_html() {
    for code in [
        "line([1, 3, 2])",
        "scatter([1, 2], [3, 4])",
        "bar([\"a\", \"b\"], [1, 2])",
        "histogram([1, 2, 2, 3])",
        "heatmap([[1, 2], [3, 4]])",
        "plot(#{ a: 1, b: 2 })",
        "tensor([[1.0, -2.0]]).heatmap()",
        "randn([100], 1).hist()",
    ] {
        let bundle = run(code).unwrap_or_else(|e| panic!("{code}: {e}"));
        let mut mimes: Vec<&str> = bundle.data.keys().map(String::as_str).collect();
        mimes.sort_unstable();
        assert_eq!(mimes, ["application/vnd.vegalite.v5+json", "image/png", "text/plain"], "{code}");
        assert!(bundle.plain().lines().all(|l| l.chars().count() <= 80), "{code}\n{}", bundle.plain());
        assert!(bundle.plain().lines().count() > 1, "{code}\n{}", bundle.plain());
        let spec = &bundle.data["application/vnd.vegalite.v5+json"];
        assert_eq!(spec["$schema"], "https://vega.github.io/schema/vega-lite/v5.json", "{code}");
        assert!(!spec["layer"].as_array().unwrap().is_empty(), "{code}");
    }
}

#[test]
fn every_form_of_data_is_read() {
    let series = |code: &str| -> Vec<(String, f64, f64)> {
        let spec = spec(code);
        let text = |v: &Value| v["series"].as_str().unwrap_or_default().to_owned();
        values(&spec, 0)
            .iter()
            .map(|v| (text(v), v["x"].as_f64().unwrap(), v["y"].as_f64().unwrap_or(f64::NAN)))
            .collect()
    };
    let one = |points: &[(f64, f64)]| points.iter().map(|(x, y)| (String::new(), *x, *y)).collect::<Vec<_>>();
    assert_eq!(series("line([5, 6.5])"), one(&[(0.0, 5.0), (1.0, 6.5)]));
    assert_eq!(series("line([10, 20], [5, 6])"), one(&[(10.0, 5.0), (20.0, 6.0)]));
    assert_eq!(series("line([5, 6], #{ x: [10, 20] })"), one(&[(10.0, 5.0), (20.0, 6.0)]));
    assert_eq!(series("line(tensor([5, 6]))"), one(&[(0.0, 5.0), (1.0, 6.0)]));
    assert_eq!(series("line([tensor(5.0), tensor(6.0)])"), one(&[(0.0, 5.0), (1.0, 6.0)]));
    let two = [("a".to_owned(), 0.0, 1.0), ("a".to_owned(), 1.0, 2.0), ("b".to_owned(), 0.0, 3.0)];
    assert_eq!(series("line(#{ a: [1, 2], b: [3] })"), two);
    assert_eq!(series("line([[1, 2], [3]], #{ labels: [\"a\", \"b\"] })"), two);
    let table = "[#{ s: \"a\", t: 0, v: 1 }, #{ s: \"a\", t: 1, v: 2 }, #{ s: \"b\", t: 0, v: 3 }]";
    assert_eq!(series(&format!("line({table}, #{{ x: \"t\", y: \"v\", color: \"s\" }})")), two);
    assert_eq!(series("line(#{ t: [0, 1], a: tensor([1, 2]) }, #{ x: \"t\" })"), one(&[(0.0, 1.0), (1.0, 2.0)]));
    let rows = series("line(tensor([[1.0, 2.0], [3.0, 4.0]]))");
    assert_eq!(rows.last(), Some(&("1".to_owned(), 1.0, 4.0)));
    let steps = series("line([0, 1], #{ train: [4, 3], test: [5, 4] })");
    assert_eq!(steps.first(), Some(&("test".to_owned(), 0.0, 5.0)));
}

#[test]
fn table_columns_name_the_axes() {
    let spec = spec("bar([#{ text: \" the\", p: 0.5 }, #{ text: \"\\n\", p: 0.25 }], #{ x: \"text\", y: \"p\" })");
    assert_eq!(spec["layer"][0]["encoding"]["x"]["axis"]["title"], "text");
    assert_eq!(spec["layer"][0]["encoding"]["y"]["axis"]["title"], "p");
    assert_eq!(spec["params"][0]["value"], serde_json::json!([" the", "\"\\n\""]), "blanks are made visible");
}

#[test]
fn gaps_and_what_cannot_be_shown() {
    let gap = spec("line([1.0, 0.0/0.0, 3.0, 1.0/0.0, 5.0])");
    let y: Vec<Option<f64>> = values(&gap, 0).iter().map(|v| v["y"].as_f64()).collect();
    assert_eq!(y, [Some(1.0), None, Some(3.0), None, Some(5.0)]);
    assert_eq!(gap["title"]["text"][0], "2 values are NaN or infinite");
    assert_eq!(spec("line([1, (), 3])")["title"], Value::Null, "what is left out by intent is no news");
    let log = spec("line([0.0, 1.0, 100.0], #{ log_y: true })");
    assert_eq!(log["layer"][0]["encoding"]["y"]["scale"]["type"], "log");
    assert_eq!(log["title"]["text"][0], "1 value that is not above 0 is not on the logarithmic axis");
    for one in [
        "line([7])",
        "scatter([7])",
        "bar([7])",
        "histogram([7])",
        "heatmap([[7]])",
        "line([3, 3, 3])",
        "line([-1e300, 1e300])",
    ] {
        assert!(run(one).is_ok(), "{one}: {:?}", run(one));
    }
}

#[test]
fn a_million_points_stay_a_small_notebook() {
    let line = run("line(randn([1000000], 1))").unwrap();
    assert!(serde_json::to_string(&line.data).unwrap().len() < 1_000_000);
    assert!(
        line.plain().ends_with("(1,000,000 values, drawn by the extremes of each column of pixels)"),
        "{}",
        line.plain()
    );
    let cloud = spec("scatter(randn([1000000], 1), randn([1000000], 2))");
    assert_eq!(values(&cloud, 0).len(), 5000);
    assert_eq!(cloud["title"]["text"][0], "5,000 of 1,000,000 points shown");
    let large = run("heatmap(randn([2000, 3000], 1))").unwrap();
    assert!(serde_json::to_string(&large.data).unwrap().len() < 6_000_000, "{}", large.data.len());
    assert!(large.plain().contains("2,000 × 3,000 values; a cell is the mean of 4 × 6"), "{}", large.plain());
}

#[test]
fn histograms_count_in_the_same_bins() {
    let h = spec("histogram(#{ a: [0, 0, 1], b: [3, 4] }, #{ bins: 4 })");
    let counts = |name: &str| -> Vec<f64> {
        let own = |v: &&Value| v["series"] == name;
        values(&h, 0).iter().filter(own).map(|v| v["value"].as_f64().unwrap()).collect()
    };
    assert_eq!((counts("a"), counts("b")), (vec![2.0, 1.0, 0.0, 0.0], vec![0.0, 0.0, 0.0, 2.0]));
    let density = spec("histogram([0, 1, 1, 2], #{ bins: 2, density: true })");
    let area: f64 = values(&density, 0).iter().map(|v| v["value"].as_f64().unwrap()).sum();
    assert!((area - 1.0).abs() < 1e-6, "bins are one wide");
    assert!(run("histogram([1, 2, 3], 2)").is_ok());
}

#[test]
fn bars_stand_beside_or_on_one_another() {
    let tops = |code: &str| -> Vec<(f64, f64)> {
        let spec = spec(code);
        values(&spec, 0).iter().map(|v| (v["y2"].as_f64().unwrap(), v["y"].as_f64().unwrap())).collect()
    };
    let data = "[\"x\", \"y\"], #{ a: [1, 3], b: [3, 1] }";
    assert_eq!(tops(&format!("bar({data})")), [(0.0, 1.0), (0.0, 3.0), (0.0, 3.0), (0.0, 1.0)]);
    assert_eq!(tops(&format!("bar({data}, #{{ stacked: true }})")), [(0.0, 1.0), (0.0, 3.0), (1.0, 4.0), (3.0, 4.0)]);
    let shares = tops(&format!("bar({data}, #{{ normalize: true }})"));
    assert_eq!(shares, [(0.0, 0.25), (0.0, 0.75), (0.25, 1.0), (0.75, 1.0)]);
    let sorted = spec("bar(#{ a: 1, b: 3, c: 2 }, #{ sort: \"descending\", horizontal: true })");
    assert_eq!(sorted["params"][0]["value"], serde_json::json!(["b", "c", "a"]));
    assert_eq!(sorted["layer"][0]["encoding"]["y"]["scale"]["reverse"], true);
}

#[test]
fn heatmaps_choose_colours_by_sign_and_carry_names() {
    let signed = spec("heatmap([[-1.0, 3.0]])");
    let mark = &signed["layer"][0]["mark"];
    assert_eq!(mark["stroke"]["expr"], "scale('color', datum.v)", "cells close the gaps between them");
    assert!(signed["layer"][0]["encoding"]["stroke"].is_null(), "which would be a second colour bar");
    let domain = signed["layer"][0]["encoding"]["color"]["scale"]["domain"].as_array().unwrap().clone();
    assert_eq!((domain.first().unwrap().as_f64(), domain.last().unwrap().as_f64()), (Some(-3.0), Some(3.0)));
    let named = spec(
        "heatmap([[0.0, 1.0], [0.5, 0.25]], #{ x_labels: [\"a\", \" \"], y_labels: [\"c\", \"d\"], values: true, cmap: \"magma\" })",
    );
    assert_eq!(named["params"][1]["value"], serde_json::json!(["a", "\" \""]));
    assert_eq!(named["layer"][0]["encoding"]["color"]["scale"]["range"][0], "#000004");
    assert_eq!(values(&named, 1)[2]["text"], "0.50");
    let rows = spec("heatmap([#{ layer: \"0\", q: 1.0, k: 2.0 }, #{ layer: \"1\", q: 3.0, k: 4.0 }])");
    assert_eq!(rows["params"][0]["value"], serde_json::json!(["0", "1"]));
    assert_eq!(values(&rows, 0)[1]["v"], 1.0, "columns by name: k, q");
    assert_eq!(spec("heatmap(zeros([100, 100]))")["layer"][0]["mark"]["type"], "image");
}

#[test]
fn charts_are_layered_and_changed_afterwards() {
    let both = spec("line(#{ fit: [1, 2, 3] }) + scatter(#{ data: [1, 2, 3] })");
    let marks: Vec<&str> =
        both["layer"].as_array().unwrap().iter().map(|l| l["mark"]["type"].as_str().unwrap()).collect();
    assert_eq!(marks, ["line", "circle"]);
    let changed = spec("line([1, 10]).options(#{ title: \"T\", log_y: true, width: 300 })");
    assert_eq!((&changed["title"]["text"], &changed["width"]), (&"T".into(), &300.0.into()));
    assert!(run("heatmap([[1]]) + line([1])").unwrap_err().contains("a heatmap"));
}

#[test]
fn mistakes_are_told() {
    for (code, expected) in [
        ("line([])", "line: expected at least one value, found none"),
        ("line([0.0/0.0])", "only NaN or infinite values"),
        ("line([1, \"x\"])", "line, at [1]: expected a number, found string"),
        ("line(\"abc\")", "expected numbers: an array, a tensor, a map of arrays, or a table"),
        ("line([1, 2], #{ titel: \"x\" })", "did you mean `title`?"),
        ("line([1, 2], [1, 2, 3])", "expected 2 values, one for each position, found 3 values"),
        ("line([1], #{ color: \"blu\" })", "did you mean \"blue\"?"),
        ("line([1, 2], #{ x: \"step\" })", "the data have no columns"),
        ("line([#{ step: 1, loss: 2 }], #{ y: \"los\" })", "did you mean"),
        ("line([-1, -2], #{ log_y: true })", "a value above 0"),
        ("line([1, 2], #{ x_range: [2, 1] })", "the lower first"),
        ("line([1, 2], #{ width: 5 })", "60 to 4000 pixels"),
        ("line(zeros([2, 2, 2]))", "take a part of it, such as t[0]"),
        ("line([1, 2], #{ labels: [\"a\", \"b\"] })", "expected 1 name, found 2"),
        ("bar([1, 2], #{ sort: \"up\" })", "option sort"),
        ("histogram([1, 2], #{ bins: 0 })", "1 to 1000"),
        ("histogram([])", "at least one value"),
        ("heatmap([[1, 2], [3]])", "as its neighbours are"),
        ("heatmap([[1, 2]], #{ x_labels: [\"a\"] })", "expected 2 names, one for each, found 1"),
        ("heatmap([[1, 2]], #{ cmap: \"viridi\" })", "did you mean \"viridis\"?"),
        ("heatmap([])", "at least one value"),
        ("plot([1], #{ kind: \"pie\" })", "option kind"),
        ("line([1]).save(\"x.pdf\")", "a name that ends in .svg, .png or .json, found \".pdf\""),
        ("line([1]).save(\"/no/such/folder/x.png\")", "a folder that exists"),
        ("line([1]).save(\"x\")", "found none"),
    ] {
        match run(code) {
            Ok(bundle) => panic!("{code} gave {}", bundle.plain()),
            Err(e) => assert!(e.contains(expected), "{code}: {e}"),
        }
    }
}

#[test]
fn files_are_what_their_names_say() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let code = format!(
        "let c = line([1, 3, 2], #{{ title: \"漢 <b>\", width: 300, height: 200 }});
         c.save({:?}); c.save({:?}); c.save({:?}, #{{ scale: 3 }}); c.save({:?});",
        path("a.svg"),
        path("a.png"),
        path("b.png"),
        path("a.json")
    );
    run(&code).unwrap();
    let svg = std::fs::read_to_string(path("a.svg")).unwrap();
    assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n") && svg.contains("漢 &lt;b&gt;"), "{svg}");
    for (name, size) in [("a.png", (600, 400)), ("b.png", (900, 600))] {
        let file = std::io::BufReader::new(std::fs::File::open(path(name)).unwrap());
        let mut reader = png::Decoder::new(file).read_info().unwrap();
        let mut rgba = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgba).unwrap();
        assert_eq!((info.width, info.height), size);
        let blue = rgba.chunks(4).filter(|p| *p == [0x00, 0x72, 0xb2, 0xff]).count();
        assert!(blue > 300, "the line is drawn: {blue} pixels");
        assert_eq!(&rgba[..4], [255, 255, 255, 255]);
    }
    let spec: Value = serde_json::from_slice(&std::fs::read(path("a.json")).unwrap()).unwrap();
    assert_eq!(spec["title"]["text"], "漢 <b>");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4, "no temporary file is left");
}

#[test]
fn charts_in_text() {
    let text = |code: &str| run(code).unwrap().plain().to_owned();
    let bars = text("bar([\"the\", \"a\"], [0.5, -0.25], #{ title: \"Next\", y_label: \"p\" })");
    assert_eq!(
        bars.lines().collect::<Vec<_>>(),
        [
            "Next",
            "p",
            "the │                           █████████████████████████████████▌ 0.500",
            "  a │          █████████████████ -0.250"
        ]
    );
    let line = text("line([0, 13], #{ x_label: \"step\", title: \"Up\" })");
    let lines: Vec<&str> = line.lines().collect();
    assert_eq!((lines[0], lines.len()), ("Up", 18), "{line}");
    assert!(lines[14].starts_with(" 0 ┤⣀") && lines[1].starts_with("15 ┤"), "{line}");
    assert!(lines[15].starts_with("   └┬──") && lines[16].trim_start().starts_with('0'), "{line}");
    assert!(lines[16].ends_with('1') && lines[17].trim() == "step", "{line}");
}
