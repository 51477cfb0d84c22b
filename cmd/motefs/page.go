package main

import (
	"net/http"
	"sync/atomic"

	"github.com/motefs/motefs/cmd/motefs/internal/page"
	"github.com/motefs/motefs/fs"
	"github.com/motefs/motefs/histogram"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
)

// shown is what the page shows.
type shown struct {
	*watched
	traffic *wire.Traffic
	mount   atomic.Pointer[fs.Mount] // nil: nothing is mounted
}

// Status implements page.Source.
func (s *shown) Status() (whole, public any) {
	st := s.status.Status()
	return st, st.Public()
}

// Meters implements page.Source.
func (s *shown) Meters() page.Meters {
	var n mirror.Counts
	if s.counts != nil {
		n = s.counts()
	}
	m := page.Meters{
		Names: uint64(n.Listed), Files: uint64(n.Files), Bytes: uint64(n.Bytes),
		Get: s.traffic.Took(wire.Get), List: s.traffic.Took(wire.List), Store: s.database(),
	}
	s.traffic.EachRequests(func(_, code string, n int64) {
		m.Requests += uint64(n)
		if code == "429" || code == "5xx" || code == "error" {
			m.Bad += uint64(n)
		}
	})
	if mount := s.mount.Load(); mount != nil {
		for _, r := range mount.Requests() {
			if r.Asked {
				m.Operations += uint64(r.Count)
				m.Mount = both(m.Mount, r.Took)
			}
		}
		m.ReadBytes = uint64(mount.Stats().ReadBytes)
	}
	return m
}

// both is what two histograms have counted together.
func both(a, b histogram.Snapshot) histogram.Snapshot {
	a.Count += b.Count
	a.Sum += b.Sum
	for i := range a.Upto {
		a.Upto[i] += b.Upto[i]
	}
	return a
}

// database is the state of the store's database, nil where that does not say it.
func (s *shown) database() *page.Store {
	if s.store == nil {
		return nil
	}
	d, ok := s.store.Database()
	if !ok {
		return nil
	}
	n, took := s.store.Stalls()
	st := &page.Store{Debt: d.Debt, Stalls: uint64(n), StallSeconds: took.Seconds()}
	for _, l := range d.Levels {
		st.Levels = append(st.Levels, page.Level{Tables: l.Tables, Bytes: l.Bytes})
	}
	return st
}

// showPage begins to answer a browser with the page.
func (m *monitored) showPage(w *watched) {
	if m.server == nil {
		return
	}
	m.shown.Store(&shown{watched: w, traffic: &m.traffic})
	o := page.Options{Source: m.shown.Load(), Tree: noTree{}, Everyone: w.everyone, Log: w.log}
	if w.store != nil {
		o.Tree = w.store
	}
	m.page.Store(page.Open(o))
}

// hidePage ends it, so that the store can be closed.
func (m *monitored) hidePage() {
	p := m.page.Load()
	if p == nil {
		return
	}
	if err := p.Close(); err != nil {
		m.shown.Load().log.Warn().Err(err).Msg("the page does not end")
	}
}

// servePage answers with the page, or that there is none so far.
func (m *monitored) servePage(w http.ResponseWriter, r *http.Request) {
	if p := m.page.Load(); p != nil {
		p.ServeHTTP(w, r)
		return
	}
	page.Starting(w, r)
}
