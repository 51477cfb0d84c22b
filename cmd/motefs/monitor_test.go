package main

import "testing"

// TestReadiness: who waits for a store that is in use starts, and does not end.
func TestReadiness(t *testing.T) {
	m := &monitored{}
	m.mu.notReady = errStarting
	for range 3 {
		m.detach() // of a session that could not be opened
	}
	if err := m.ready(); err != errStarting {
		t.Errorf("%v", err)
	}
	// There is nothing to read behind this session: nobody collects, so nothing is read.
	m.attach(&watched{})
	m.begun()
	if err := m.ready(); err != nil {
		t.Errorf("%v", err)
	}
	for range 2 {
		m.detach()
	}
	if err := m.ready(); err != errEnding {
		t.Errorf("%v", err)
	}
}
