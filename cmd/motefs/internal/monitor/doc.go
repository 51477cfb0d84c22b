// Package monitor is the HTTP server of --metrics: for programs that scrape, for probes,
// and for a browser.
//
//	GET /metrics   for Prometheus
//	GET /status    the status as JSON
//	GET /healthz   200 while the process can do its work, else 503 with why
//	GET /readyz    200 while it does it, else 503 with why
//	GET /          the page, where there is one
//
// It is read-only and asks for no password, so it listens on loopback unless told
// otherwise. A browser may be led to it by a page of another site, under a name of that
// site (DNS rebinding); so only requests are answered that ask for it by an address, by
// "localhost", by the machine's own name, or by a name that it was given. Profiles are not
// here: they are on the socket in the store, which is its owner's.
//
// Everything is bounded: connections, headers, and the time for each request and answer. So
// who does not read, or asks slowly, costs a connection for some seconds and nobody else
// anything; and who comes when all are taken has that of who asks for nothing.
package monitor
