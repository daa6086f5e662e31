//! Products, decompositions, rows put in order, distances.

use super::convert::{argument, size};
use crate::display::Cell;
use crate::display::Table;
use crate::script::error::{ScriptResult, guard};
use crate::script::{Host, define, define_type, property};
use minerva_engine::Result;
use minerva_engine::tensor::{Comparison, Tensor, number};
use rhai::{Dynamic, Engine, Map};

pub fn register(engine: &mut Engine, host: &Host) {
    products(engine, host);
    rows(engine, host);
    distances(engine, host);
}

fn products(engine: &mut Engine, host: &Host) {
    let h = host.clone();
    let doc = "The matrix product: the last two dimensions multiply, those before them broadcast. F32, or F64 when either is.";
    define("matmul", &["a: Tensor", "b: Tensor", "Tensor"], doc)
        .example("eye(2).matmul(tensor([[1.0], [2.0]])).shape // → [2, 1]")
        .register_into_engine(engine, move |a: Tensor, b: Tensor| guard(|| a.matmul(&b, &h.control())));
    define("dot", &["a: Tensor", "b: Tensor", "float"], "Σ a·b over two tensors of one shape.")
        .example("tensor([1.0, 2.0]).dot(tensor([3.0, 4.0])) // → 11.0")
        .register_into_engine(engine, |a: Tensor, b: Tensor| guard(|| a.dot(&b)));
    define("outer", &["a: Tensor", "b: Tensor", "Tensor"], "The products of every pair of values of two vectors.")
        .example("tensor([1.0, 2.0]).outer(tensor([3.0, 4.0])).shape // → [2, 2]")
        .register_into_engine(engine, |a: Tensor, b: Tensor| guard(|| a.outer(&b)));
    let doc = "The singular value decomposition a = u · diag(s) · vt of a matrix: #{u, s, vt}.";
    let h = host.clone();
    define("svd", &["t: Tensor", "map"], doc)
        .example("let f = tensor([[3.0, 0.0], [0.0, 4.0]]).svd();\nf.s.shape // → [2]")
        .register_into_engine(engine, move |t: Tensor| -> ScriptResult<Map> {
            let f = guard(|| t.svd(&h.control()))?;
            Ok([("u", f.u), ("s", f.s), ("vt", f.vt)].into_iter().map(|(k, v)| (k.into(), Dynamic::from(v))).collect())
        });
    define("diag", &["t: Tensor", "Tensor"], "The diagonal of a matrix, or a matrix with this vector on its diagonal.")
        .example("tensor([[1, 2], [3, 4]]).diag().to_array() // → [1, 4]")
        .register_into_engine(engine, |t: Tensor| guard(|| t.diag()));
    for (name, lower, what) in [("tril", true, "above"), ("triu", false, "below")] {
        let doc = format!("The last two dimensions with the values {what} the diagonal set to 0.");
        define(name, &["t: Tensor", "Tensor"], &doc)
            .example(&format!("ones([2, 2]).{name}().sum() // → 3.0"))
            .register_into_engine(engine, move |t: Tensor| guard(|| t.triangle(lower, 0)));
        let doc = format!("The last two dimensions with the values {what} the k-th diagonal set to 0.");
        define(name, &["t: Tensor", "k: int", "Tensor"], &doc)
            .example(&format!("ones([2, 2]).{name}(1)"))
            .register_into_engine(engine, move |t: Tensor, k: i64| guard(|| t.triangle(lower, k)));
    }
}

fn rows(engine: &mut Engine, host: &Host) {
    type Along = fn(&Tensor, i64, &Host) -> Result<Tensor>;
    let table: [(&str, &str, Along); 4] = [
        ("softmax", "exp(x) / Σ exp(x)", |t, d, h| t.softmax(d, &h.control())),
        ("log_softmax", "The logarithm of softmax", |t, d, h| t.log_softmax(d, &h.control())),
        ("normalize", "The values divided by their Euclidean norm", |t, d, h| t.normalize(d, &h.control())),
        ("cumsum", "Running sums", |t, d, h| t.cumsum(d, &h.control())),
    ];
    for (name, what, along) in table {
        let h = host.clone();
        define(name, &["t: Tensor", "Tensor"], &format!("{what} along the last dimension."))
            .example(&format!("tensor([1.0, 2.0, 3.0]).{name}()"))
            .register_into_engine(engine, move |t: Tensor| guard(|| along(&t, -1, &h)));
        let h = host.clone();
        define(name, &["t: Tensor", "dim: int", "Tensor"], &format!("{what} along a dimension."))
            .example(&format!("tensor([[1.0, 2.0], [3.0, 4.0]]).{name}(0)"))
            .register_into_engine(engine, move |t: Tensor, dim: i64| guard(|| along(&t, dim, &h)));
    }
    let pair = |(values, indices): (Tensor, Tensor)| -> Map {
        [("values", values), ("indices", indices)].into_iter().map(|(k, v)| (k.into(), Dynamic::from(v))).collect()
    };
    let doc = "The k largest values along the last dimension, largest first, and where they are: #{values, indices}.";
    let h = host.clone();
    define("topk", &["t: Tensor", "k: int", "map"], doc)
        .example("tensor([1, 9, 5]).topk(2).values.to_array() // → [9, 5]")
        .register_into_engine(engine, move |t: Tensor, k: i64| {
            guard(|| t.topk(size("topk", k)?, -1, &h.control()).map(pair))
        });
    let doc = "The k largest values along a dimension, largest first, and where they are: #{values, indices}.";
    let h = host.clone();
    define("topk", &["t: Tensor", "k: int", "dim: int", "map"], doc)
        .example("tensor([[1, 9], [5, 2]]).topk(1, 0).indices.to_array() // → [[1, 0]]")
        .register_into_engine(engine, move |t: Tensor, k: i64, dim: i64| {
            guard(|| t.topk(size("topk", k)?, dim, &h.control()).map(pair))
        });
    for (name, which, what) in [("sort", 0, "The values"), ("argsort", 1, "The positions of the values")] {
        let pick = move |(values, at): (Tensor, Tensor)| if which == 0 { values } else { at };
        let h = host.clone();
        define(name, &["t: Tensor", "Tensor"], &format!("{what} in ascending order along the last dimension."))
            .example(&format!("tensor([3, 1, 2]).{name}()"))
            .register_into_engine(engine, move |t: Tensor| guard(|| t.sort(-1, false, &h.control()).map(pick)));
        let h = host.clone();
        define(
            name,
            &["t: Tensor", "dim: int", "descending: bool", "Tensor"],
            &format!("{what} in order along a dimension."),
        )
        .example(&format!("tensor([3, 1, 2]).{name}(0, true)"))
        .register_into_engine(engine, move |t: Tensor, dim: i64, descending: bool| {
            guard(|| t.sort(dim, descending, &h.control()).map(pick))
        });
    }
}

fn distances(engine: &mut Engine, host: &Host) {
    type Distance = fn(&Tensor, &Tensor) -> Result<f64>;
    let table: [(&str, &str, Distance); 3] = [
        ("cosine", "The cosine of the angle between two tensors of one shape, taken as flat vectors.", Tensor::cosine),
        ("nmse", "Σ(a - b)² / Σb², where b is the reference.", Tensor::nmse),
        ("max_abs_diff", "The largest |a - b|.", Tensor::max_abs_diff),
    ];
    for (name, doc, distance) in table {
        define(name, &["a: Tensor", "b: Tensor", "float"], doc)
            .example(&format!("tensor([1.0, 2.0]).{name}(tensor([1.0, 2.5]))"))
            .register_into_engine(engine, move |a: Tensor, b: Tensor| guard(|| distance(&a, &b)));
    }
    let doc = "Whether |a - b| ≤ 1e-8 + 1e-5·|b| everywhere, as numpy.allclose.";
    define("allclose", &["a: Tensor", "b: any", "bool"], doc)
        .example("ones([2]).allclose(ones([2])) // → true")
        .register_into_engine(engine, |a: Tensor, b: Dynamic| -> ScriptResult<bool> {
            let b = argument("allclose", &b)?;
            guard(|| a.allclose(&b, 1e-5, 1e-8))
        });
    let doc = "Whether |a - b| ≤ atol + rtol·|b| everywhere, as numpy.allclose.";
    define("allclose", &["a: Tensor", "b: any", "rtol: float", "atol: float", "bool"], doc)
        .example("ones([2]).allclose(full([2], 1.1), 0.2, 0.0) // → true")
        .register_into_engine(engine, |a: Tensor, b: Dynamic, rtol: f64, atol: f64| -> ScriptResult<bool> {
            let b = argument("allclose", &b)?;
            guard(|| a.allclose(&b, rtol, atol))
        });
    let doc = "How far two tensors are apart, as a.compare(b) found it.";
    let example = "let c = tensor([1.0, 2.0]).compare(tensor([1.0, 2.5]));\nc.max_abs_diff // → 0.5";
    define_type::<Comparison>(engine, "Comparison", doc, example);
    host.shows::<Comparison>(engine, |c| {
        let mut table = Table::new(["equal", "of", "max |a-b|", "mean |a-b|", "MSE", "NMSE", "cosine"]);
        let numbers = [c.max_abs_diff, c.mean_abs_diff, c.mse, c.nmse].map(|v| Cell::number(number(v)));
        let mut row = vec![Cell::number(c.equal), Cell::number(c.n)];
        row.extend(numbers);
        row.push(Cell::number(format!("{:.6}", c.cosine)));
        table.push(row);
        table.bundle()
    });
    let h = host.clone();
    let doc = "How far a tensor is from a reference of the same shape, in every usual measure.";
    define("compare", &["a: Tensor", "b: Tensor", "Comparison"], doc)
        .example("randn([4], 1).compare(randn([4], 1)).equal // → 4")
        .register_into_engine(engine, move |a: Tensor, b: Tensor| guard(|| a.compare(&b, &h.control())));
    property("n", &["c: Comparison", "int"], "How many values were compared.")
        .register_into_engine(engine, |c: &mut Comparison| c.n as i64);
    property("equal", &["c: Comparison", "int"], "How many are the same.")
        .register_into_engine(engine, |c: &mut Comparison| c.equal as i64);
    property("max_abs_diff", &["c: Comparison", "float"], "The largest |a - b|.")
        .register_into_engine(engine, |c: &mut Comparison| c.max_abs_diff);
    property("mean_abs_diff", &["c: Comparison", "float"], "The mean of |a - b|.")
        .register_into_engine(engine, |c: &mut Comparison| c.mean_abs_diff);
    property("mse", &["c: Comparison", "float"], "The mean of (a - b)².")
        .register_into_engine(engine, |c: &mut Comparison| c.mse);
    property("nmse", &["c: Comparison", "float"], "Σ(a - b)² / Σb², where b is the reference.")
        .register_into_engine(engine, |c: &mut Comparison| c.nmse);
    property("cosine", &["c: Comparison", "float"], "The cosine of the angle between them.")
        .register_into_engine(engine, |c: &mut Comparison| c.cosine);
}
