"""The table of workloads, in the order of the report. Adding one adds a line here."""

from benchmarks import accuracy, digits, limit, multilayer, recorder, shuffle, start_to_finish

WORKLOADS = {
    module.WORKLOAD.name: module.WORKLOAD
    for module in (multilayer, limit, digits, start_to_finish, accuracy, recorder, shuffle)
}
