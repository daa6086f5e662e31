//! Selecting by name, by positions, by truth values.

use super::*;

#[derive(Debug)]
struct Names(Vec<TensorInfo>, Metadata);

impl TensorFile for Names {
    fn path(&self) -> &Path {
        Path::new("names.gguf")
    }
    fn format(&self) -> &'static str {
        "gguf"
    }
    fn metadata(&self) -> &Metadata {
        &self.1
    }
    fn tensors(&self) -> &[TensorInfo] {
        &self.0
    }
    fn index_of(&self, _: &str) -> Result<usize> {
        Ok(0)
    }
    fn data(&self, _: usize) -> Result<&[u8]> {
        panic!("a listing must not read weights")
    }
}

#[test]
fn names_are_chosen_by_glob_without_reading() {
    let names = ["output.weight", "blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.12.attn_q.weight"];
    let info = |n: &&str| TensorInfo { name: (*n).to_owned(), dtype: DType::F32, shape: vec![2], bytes: 8 };
    let file: Arc<dyn TensorFile> = Arc::new(Names(names.iter().map(info).collect(), Metadata::new()));
    let list = |p: &str| -> Vec<String> {
        Tensor::matching(&file, p).unwrap().iter().map(|t| t.name().unwrap().to_owned()).collect()
    };
    assert_eq!(list("*.attn_q.*"), ["blk.0.attn_q.weight", "blk.12.attn_q.weight"]);
    assert_eq!(list("*"), names);
    assert_eq!(list("blk.[0-9].attn_{k,v}.weight"), ["blk.0.attn_k.weight"]);
    let e = Tensor::matching(&file, "output.wieght").unwrap_err().to_string();
    assert!(e.contains("did you mean \"output.weight\"?") && e.contains("4 tensors"), "{e}");
    assert!(Tensor::matching(&file, "[").unwrap_err().to_string().contains("a glob such as"));
}

#[test]
fn rows_are_looked_up() {
    for t in [count(&[4, 3]), counted_in_file(&[4, 3])] {
        let ids = Tensor::from_integers(vec![3, 0, -1, 1], &[2, 2]).unwrap();
        let got = t.take(&ids).unwrap();
        assert_eq!(got.shape(), [2, 2, 3]);
        assert_eq!(got.to_vec().unwrap(), [9., 10., 11., 0., 1., 2., 9., 10., 11., 3., 4., 5.]);
        let e = t.take(&Tensor::from_integers(vec![4], &[1]).unwrap()).unwrap_err().to_string();
        assert_eq!(e, "dimension 0 of shape [4, 3]: expected indices from -4 to 3, found 4");
        assert!(t.take(&count(&[2])).is_err(), "positions are integers");
        let none = t.take(&Tensor::from_integers(vec![], &[0]).unwrap()).unwrap();
        assert_eq!(none.shape(), [0, 3]);
    }
    let big = Tensor::from_integers(vec![9_007_199_254_740_993, 5], &[2]).unwrap();
    assert_eq!(
        big.take(&Tensor::from_integers(vec![0], &[]).unwrap()).unwrap().item_i64().unwrap(),
        9_007_199_254_740_993
    );
}

#[test]
fn truth_values_select() {
    let t = wavy(&[2, 3]);
    // -5, 4.19, 3.38 / 2.57, 1.76, 0.95
    let picked = t.masked(&t.binary_scalar(Binary::Gt, 2.0, &Control::default()).unwrap()).unwrap();
    close(&picked.to_vec_f64().unwrap(), &[4.19, 3.38, 2.57], 1e-15, "picked");
    let rows = t.min(1).unwrap().binary_scalar(Binary::Gt, 0.0, &Control::default()).unwrap();
    assert_eq!(t.masked(&rows).unwrap().shape(), [1, 3]);
    assert!(t.masked(&count(&[2, 3])).is_err() && t.masked(&rows.reshape(&[2, 1]).unwrap()).is_err());
    let at = t.binary_scalar(Binary::Gt, 3.0, &Control::default()).unwrap().nonzero().unwrap();
    assert_eq!((at.shape(), at.to_vec_i64().unwrap()), (&[2, 2][..], vec![0, 1, 0, 2]));
}
