//! Tensors as scripts use them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::display::Bundle;
use crate::session::{Execute, Session, SessionOptions};
use std::sync::Arc;

fn run(code: &str) -> Result<Bundle, String> {
    let mut session = Session::new(SessionOptions::default());
    let outcome = session.execute(&Execute::cell(code, "In[1]"), Arc::new(|_| {}));
    outcome.result.map(Option::unwrap_or_default).map_err(|e| e.to_string())
}

/// The plain text of a cell's value.
#[track_caller]
fn show(code: &str) -> String {
    run(code).unwrap_or_else(|e| panic!("{code}\n{e}")).plain().to_owned()
}

#[track_caller]
fn fails(code: &str) -> String {
    match run(code) {
        Ok(b) => panic!("{code} gave {}", b.plain()),
        Err(e) => e,
    }
}

#[test]
fn tensors_come_from_arrays() {
    assert_eq!(
        show("tensor([[1, 2], [3, 4]])"),
        "i64[2, 2] n=4 (32 B) x∈[1 |█ █  █ █| 4] μ=2.50 σ=1.12\n[[1, 2],\n [3, 4]]"
    );
    assert_eq!(show("tensor([1, 2.5]).dtype"), "\"F32\"");
    assert_eq!(show("tensor([true, false]).dtype"), "\"BOOL\"");
    assert_eq!(show("tensor(3.0)"), "f32[] 3.0000");
    assert_eq!(show("tensor([1, 2], \"float16\").dtype"), "\"F16\"");
    assert_eq!(show("tensor([zeros(3), ones([3])]).shape"), "[2, 3]");
    assert_eq!(show("tensor([]).shape"), "[0]");
    assert_eq!(show("tensor([[[1, 2]], [[3, 4]]]).to_array()"), "[[[1, 2]], [[3, 4]]]");
    assert_eq!(show("arange(2, 8, 3).to_array()"), "[2, 5]");
    assert_eq!(
        show("[eye(2).to_array(), full([1], 7).item(), linspace(0, 1, 3).to_array()]"),
        "[[[1.0, 0.0], [0.0, 1.0]], 7.0, [0.0, 0.5, 1.0]]"
    );
    assert_eq!(show("randn([2, 3], 1).allclose(randn([2, 3], 1)) && !rand(4).allclose(rand(4))"), "true");
    let e = fails("tensor([[1, 2], [3]])");
    assert!(e.contains("tensor, at [1]: expected an array of 2, as its neighbours are, found one of 1"), "{e}");
    let e = fails("tensor([1, \"a\"])");
    assert!(e.contains("tensor, at [1]: expected a number, found string"), "{e}");
    let e = fails("tensor([1], \"flaot32\")");
    assert!(e.contains("did you mean \"float32\"?"), "{e}");
    let e = fails("zeros([1000000, 1000000])");
    assert!(e.contains("needs") && e.contains("available"), "{e}");
}

#[test]
fn operators_work_from_both_sides() {
    let t = "let t = tensor([1.0, 2.0, 4.0]); ";
    let cases = [
        ("(t + 1).to_array()", "[2.0, 3.0, 5.0]"),
        ("(1 - t).to_array()", "[0.0, -1.0, -3.0]"),
        ("(t * 0.5).to_array()", "[0.5, 1.0, 2.0]"),
        ("(8.0 / t).to_array()", "[8.0, 4.0, 2.0]"),
        ("(t ** 2).to_array()", "[1.0, 4.0, 16.0]"),
        ("(2 ** t).to_array()", "[2.0, 4.0, 16.0]"),
        ("(t % 3).to_array()", "[1.0, 2.0, 1.0]"),
        ("(-t).to_array()", "[-1.0, -2.0, -4.0]"),
        ("(t - t).to_array()", "[0.0, 0.0, 0.0]"),
        ("(t > 1.5).to_array()", "[false, true, true]"),
        ("(2 <= t).to_array()", "[false, true, true]"),
        ("(t == 2).to_array()", "[false, true, false]"),
        ("(t != t).to_array()", "[false, false, false]"),
        ("((t > 1) & (t < 3)).to_array()", "[false, true, false]"),
        ("(!(t > 1) | (t > 3)).to_array()", "[true, false, true]"),
        ("where(t > 1, t, 0).to_array()", "[0.0, 2.0, 4.0]"),
        ("t += 1; t *= 2; t.to_array()", "[4.0, 6.0, 10.0]"),
        ("maximum(t, 2).to_array()", "[2.0, 2.0, 4.0]"),
        ("t.clamp(1.5, 3).to_array()", "[1.5, 2.0, 3.0]"),
    ];
    for (code, expected) in cases {
        assert_eq!(show(&format!("{t}{code}")), expected, "{code}");
    }
    let e = fails("zeros([2, 3]) + zeros([2])");
    assert!(e.contains("found [2, 3] and [2]"), "{e}");
}

#[test]
fn indices_are_numpys() {
    let t = "let t = arange(24).reshape([2, 3, 4]); ";
    let cases = [
        ("t[0].shape", "[3, 4]"),
        ("t[-1][0][1].item()", "13"),
        ("t[\"0:3, :, -1\"].to_array()", "[[3, 7, 11], [15, 19, 23]]"),
        ("t[\"..., ::2\"].shape", "[2, 3, 2]"),
        ("t[0][0..2].to_array()", "[[0, 1, 2, 3], [4, 5, 6, 7]]"),
        ("t[0][1..=-1].shape", "[2, 4]"),
        ("t[0][[2, 0]].to_array()", "[[8, 9, 10, 11], [0, 1, 2, 3]]"),
        ("t[t > 20].to_array()", "[21, 22, 23]"),
        ("t[0][tensor([1, 1])].shape", "[2, 4]"),
        ("t.len()", "2"),
        ("let n = 0; for row in t[0] { n += row.sum(); } n", "66"),
    ];
    for (code, expected) in cases {
        assert_eq!(show(&format!("{t}{code}")), expected, "{code}");
    }
    let e = fails(&format!("{t}t[2]"));
    assert!(e.contains("dimension 0 of shape [2, 3, 4]: expected an index from -2 to 1, found 2"), "{e}");
    let e = fails(&format!("{t}t[\"0:x\"]"));
    assert!(e.contains("\"0:x\""), "{e}");
    assert!(fails("for x in tensor(1) { print(x) }").contains("a tensor with dimensions"));
}

#[test]
fn methods_have_numpys_names() {
    let t = "let t = tensor([[1.0, 2.0], [3.0, 6.0]]); ";
    let cases = [
        ("[t.mean(), t.sum(), t.max(), t.std()]", "[3.0, 12.0, 6.0, 1.8708286933869707]"),
        ("t.mean(0).to_array()", "[2.0, 4.0]"),
        ("t.mean(-1, true).shape", "[2, 1]"),
        ("[t.argmax(), arange(5).sum(), (t > 0).all(), (t > 7).any()]", "[3, 10, true, false]"),
        ("t.argmax(0).to_array()", "[1, 1]"),
        ("t.matmul(t.T).to_array()", "[[5.0, 15.0], [15.0, 45.0]]"),
        ("t.softmax(-1).sum(1).to_array()", "[1.0, 1.0]"),
        ("let k = t.topk(1); [k.values.to_array(), k.indices.to_array()]", "[[[2.0], [6.0]], [[1], [1]]]"),
        ("let f = t.svd(); f.u.matmul(f.s.diag()).matmul(f.vt).allclose(t, 1e-5, 1e-6)", "true"),
        ("[t.cosine(t), t.nmse(t), t.dot(t)]", "[1.0, 0.0, 50.0]"),
        ("t.compare(t + 1).max_abs_diff", "1.0"),
        ("t.norm(1.0)", "12.0"),
        ("[t.shape, t.ndim, t.size, t.nbytes]", "[[2, 2], 2, 4, 16]"),
        ("t.reshape([-1]).shape", "[4]"),
        ("cat([t, t], 1).shape", "[2, 4]"),
        ("stack([t, t]).shape", "[2, 2, 2]"),
        ("t.to(\"f16\").dtype", "\"F16\""),
        ("t.sort(0, true)[0].to_array()", "[3.0, 6.0]"),
        ("let s = t.stats(); [s.n, s.min, s.max, s.mean]", "[4, 1.0, 6.0, 3.0]"),
        ("t.hist(2).counts", "[3, 1]"),
        ("t.tril().to_array()", "[[1.0, 0.0], [3.0, 6.0]]"),
    ];
    for (code, expected) in cases {
        assert_eq!(show(&format!("{t}{code}")), expected, "{code}");
    }
    let e = fails(&format!("{t}t.mean(2)"));
    assert!(e.contains("mean: expected a dimension from -2 to 1, found 2"), "{e}");
    let e = fails(&format!("{t}t.matmul(zeros([3, 1]))"));
    assert!(e.contains("matmul: expected [2, 2] × [.., 2, ..], found [2, 2] × [3, 1]"), "{e}");
    let e = fails(&format!("{t}t.item()"));
    assert!(e.contains("a tensor of one element"), "{e}");
}

#[test]
fn files_are_listed_saved_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors").display().to_string().replace('\\', "/");
    let setup = format!(
        "#{{\"a.q\": arange(6).reshape([2, 3]), \"b.q\": ones([4]), \"b.k\": zeros([1])}}.save(\"{path}\"); let f = open(\"{path}\"); "
    );
    assert_eq!(show(&format!("{setup}f.tensors(\"*.q\").len()")), "2");
    let listing = show(&format!("{setup}f.tensors(\"*.q\")"));
    assert!(listing.contains("a.q") && listing.contains("[2, 3]") && !listing.contains("b.k"), "{listing}");
    assert_eq!(show(&format!("{setup}f.tensor(\"a.q\")[\"1, -1\"].item()")), "5");
    assert_eq!(show(&format!("{setup}f[\"b.q\"].name")), "\"b.q\"");
    assert_eq!(show(&format!("{setup}let n = 0; for t in f.tensors() {{ n += t.size; }} n")), "11");
    let e = fails(&format!("{setup}f.tensor(\"a.p\")"));
    assert!(e.contains("did you mean \"a.q\"?"), "{e}");
    let e = fails(&format!("{setup}f.tensors(\"*.v\")"));
    assert!(e.contains("tensor \"*.v\" not found"), "{e}");
    let overview = run(&format!("{setup}f")).unwrap();
    assert!(overview.plain().contains("safetensors, 3 tensors, 11 values"), "{}", overview.plain());
    assert!(overview.data.contains_key("text/html"));
    let e = fails("tensor([1]).save(\"x.bin\")");
    assert!(e.contains(".safetensors"), "{e}");
    assert!(fails("open(\"/no/such/file\")").contains("/no/such/file"));
}

#[test]
fn a_tensor_shows_text_and_html_without_script() {
    let b = run("randn([64, 96], 3)").unwrap();
    assert_eq!(b.data.keys().collect::<Vec<_>>(), ["text/html", "text/plain"]);
    let html = b.data["text/html"].as_str().unwrap();
    assert!(html.contains("data:image/png;base64,") && html.contains("<details>") && !html.contains("<script"));
    assert!(b.plain().starts_with("f32[64, 96] n=6144 (24.6 kB) x∈[") && b.plain().contains("μ="), "{}", b.plain());
    let b = run("rand([3, 8, 8], 3).softmax()").unwrap();
    assert_eq!(b.data["text/html"].as_str().unwrap().matches("[8, 8]").count(), 1);
    let b = run("tensor([0.0, 1.0]) / 0.0").unwrap();
    assert!(b.plain().contains("NaN! (1)") && b.plain().contains("+Inf! (1)"), "{}", b.plain());
    assert!(b.data["text/html"].as_str().unwrap().contains("<b style=\"color:#e5484d\">NaN!</b>"));
    let b = run("randn(1000, 1).hist()").unwrap();
    assert!(b.plain().contains('█') && b.data.contains_key("image/png"), "{}", b.plain());
    assert_eq!(show("`${tensor([1, 2])}`"), show("tensor([1, 2])"));
}

#[test]
fn a_saved_picture_is_a_png_of_the_values() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.png");
    show(&format!("tensor([[-1.0, 0.0], [1.0, 0.5]]).heatmap().save(\"{}\")", path.display()));
    let mut reader =
        png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&path).unwrap())).read_info().unwrap();
    let mut rgba = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut rgba).unwrap();
    let painted = |color: [u8; 3]| rgba.chunks(4).filter(|p| p[..3] == color).count();
    // Two ends and the middle of RdBu; a cell of 40 pixels, two by two for each, is 6400.
    for end in [[0x05, 0x30, 0x61], [0xf7, 0xf6, 0xf6], [0x67, 0x00, 0x1f]] {
        assert!(painted(end) > 6000, "{end:?}: {}", painted(end));
    }
}

#[test]
fn tensors_inside_maps_and_arrays_show_themselves() {
    let text = show("randn([6, 50], 1).topk(3)");
    assert!(text.contains("indices:") && text.contains("i64[6, 3]") && text.contains("f32[6, 3]"), "{text}");
    assert!(show("[tensor(1.5), 2]").contains("f32[] 1.5000"));
    let table = show("[#{layer: 0, w: ones([2, 2])}, #{layer: 1, w: zeros([2, 2])}]");
    assert!(table.contains("f32[2, 2] n=4 (16 B) x=1\n") && !table.contains("[1.0000"), "{table}");
}
