"""The table of workloads, in the order of the report. Adding one adds a line here."""

from benchmarks import (
    accuracy,
    augmentation,
    autoencoders,
    compile,
    defaults,
    digits,
    export,
    fine_tuning,
    gan,
    learning_rates,
    limit,
    memory,
    multilayer,
    networks,
    populations,
    reading,
    recorder,
    shuffle,
    sizes,
    start,
    start_to_finish,
    tracking,
)

WORKLOADS = {
    module.WORKLOAD.name: module.WORKLOAD
    for module in (
        multilayer,
        limit,
        digits,
        networks,
        populations,
        start,
        start_to_finish,
        compile,
        accuracy,
        augmentation,
        fine_tuning,
        defaults,
        autoencoders,
        gan,
        learning_rates,
        memory,
        reading,
        export,
        recorder,
        shuffle,
        sizes,
        tracking,
    )
}
