// Package metrics shows Prometheus what a motefs counts anyway.
//
// There is one Collector. It reads the counters of the store, the engine, the client and
// the mount when it is scraped, and writes nothing to any of them, so that nothing is paid
// for a file or a request. No metric has a label of which the values grow with the files,
// as names or markers would: the series of a process are a few hundred, whatever it
// mirrors.
//
// Names are as Prometheus has them: base units, and _total for what only grows. Counters
// begin at 0 with the process; what the store knows of itself is a gauge. docs/metrics.md
// says what each means, and a test holds it, the dashboard and the alerts to what there is.
package metrics
