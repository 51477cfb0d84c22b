package status

import (
	"cmp"
	"fmt"
	"net/http"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"time"
)

// profileTime is how long is looked at where nothing else is asked for, and at most, in seconds.
const profileTime, maxProfileTime = 30, 3600

// profiles answers as net/http/pprof does what go tool pprof and go tool trace ask for. That package
// would make the program a third of a megabyte longer, with an index for browsers and differences of
// two profiles, which a socket has no use for.
func profiles(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	number := func(field string, otherwise int) int {
		n, err := strconv.Atoi(cmp.Or(r.FormValue(field), strconv.Itoa(otherwise)))
		if err != nil {
			return otherwise
		}
		return n
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	var begin func() error
	var end func()
	switch name {
	case "profile":
		begin, end = func() error { return pprof.StartCPUProfile(w) }, pprof.StopCPUProfile
	case "trace":
		begin, end = func() error { return trace.Start(w) }, trace.Stop
	default:
		p := pprof.Lookup(name)
		if p == nil {
			http.NotFound(w, r)
			return
		}
		_ = p.WriteTo(w, number("debug", 0)) // who asked has gone
		return
	}
	if err := begin(); err != nil {
		http.Error(w, fmt.Sprintf("%s: %v", name, err), http.StatusInternalServerError)
		return
	}
	defer end()
	select {
	case <-time.After(time.Duration(min(max(number("seconds", profileTime), 1), maxProfileTime)) * time.Second):
	case <-r.Context().Done():
	}
}
