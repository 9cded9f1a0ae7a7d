//! Memory of a kernel run: at most three times the triangle of correlations that it has to hold.

use firstguess::spec::{Activation, Architecture, Dataset, InitScheme, Shape};
use firstguess::theory::kernel::DataKernel;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// One test only: the counter belongs to the process.
#[test]
fn a_kernel_holds_little_more_than_its_triangle() {
    let long = std::env::var_os("FIRSTGUESS_LONG").is_some();
    let inputs = if long { 10_000 } else { 2_000 };
    let shape = Shape::flat(32).expect("valid");
    let mut state = 88_172_645_463_325_252_u64;
    let values = (0..inputs * 32)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
        })
        .collect();
    let data = Dataset::new("rough", shape, values).expect("valid");
    let triangle = inputs * (inputs - 1) / 2 * size_of::<f64>();
    for name in ["relu", "tanh", "hard_tanh"] {
        let activation: Activation = name.parse().expect("known");
        let network = Architecture::mlp(&activation, 4, 64, 10).resolve(&shape).expect("valid");
        let init = InitScheme::explicit(1.8, 0.1);
        let inits = firstguess::layer_inits(&init, &network).expect("valid");
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let kernel = DataKernel::new(&network, &inits, &data);
        let used = MEMORY.peak_usage() - before;
        assert!(kernel.logits.is_ok());
        assert!(used < 3 * triangle, "{name}: {used} bytes, the triangle has {triangle}");
    }
}
