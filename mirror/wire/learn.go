package wire

import "net/http"

// note notes what a proven response tells of the guards that the connection has had.
func (r *round) note(h *held) {
	if r.first && r.cn.guards == nil {
		r.cn.guards = r.c.guards.now.Load() // this is all that it ever had
	}
	switch {
	case h.status == http.StatusNotModified: // no guard is one
	case r.inMemory(h):
		r.cn.hadFile(r.ledger.slab[h.off:][:h.body])
	default:
		r.cn.hadLike(int(h.status), h.size)
	}
}

// inMemory says that the ledger has a file whole.
func (r *round) inMemory(h *held) bool {
	return h.status == http.StatusOK && h.err == nil && !h.taken && !h.spooled
}

// learnMore notes files of a proven round as guards, until there are maxGuards.
func (r *round) learnMore() {
	s := r.c.guards.now.Load()
	if s == nil || s.full() {
		return
	}
	var found []guard
	for k := range r.ledger.held {
		h := &r.ledger.held[k]
		if !r.inMemory(h) || int(h.body) > min(max(shortGuard, s.longest), maxGuard) {
			continue
		}
		body := r.ledger.slab[h.off:][:h.body]
		if s.mayHave(bodyKey(body)) {
			continue
		}
		found = append(found, newGuard(string(r.b.Target(nil, int(h.i))), http.StatusOK, body, r.cn.clock.waited))
		if len(s.all)+len(found) >= maxGuards {
			break
		}
	}
	if len(found) > 0 {
		r.c.guards.more(found)
	}
}

// learn notes a proven file that may serve as a guard, while there are not enough.
func (r *round) learn(h *held) {
	if r.c.guards.enough() {
		return
	}
	target, long := string(r.b.Target(nil, int(h.i))), h.taken || h.body > shortGuard
	found := newGuard(target, http.StatusOK, r.ledger.slab[h.off:][:h.body], r.cn.clock.waited)
	unseen := h.status != http.StatusOK
	if (unseen || long) && r.b.Len == 1 {
		return // one file alone is not worth another request
	}
	if unseen { // guards are asked for without a condition
		status, body, took, ok := r.c.askGuard(r.ctx, &guard{target: target})
		if !ok || status != http.StatusOK {
			return
		}
		found = newGuard(target, status, body, took)
		long = found.size > shortGuard
	}
	if long {
		if parts := r.askParts(target); parts != nil {
			r.c.guards.learn(parts...)
			return
		} else if h.taken || found.size > maxGuard {
			return
		}
	}
	if r.c.guards.learn(found) && r.b.Len > 1 {
		if status, body, took, ok := r.c.askGuard(r.ctx, &guard{target: r.c.o.Absent}); ok {
			r.c.guards.learn(newGuard(r.c.o.Absent, status, body, took))
		} else {
			r.c.guards.retryAbsent()
		}
	}
}

// askParts asks for the beginning of a long file, unless the server never serves
// that. Each beginning of that is a guard, as they differ in length.
func (g *get) askParts(target string) (parts []guard) {
	if g.c.guards.rangeless.Load() >= maxAlike {
		return nil
	}
	status, body, took, ok := g.c.askGuard(g.ctx, &guard{target: target, part: maxParts})
	if !ok || status != http.StatusPartialContent || len(body) != maxParts {
		g.c.guards.rangeless.Add(1)
		return nil
	}
	g.c.guards.rangeless.Store(0)
	for n := 1; n <= maxParts; n++ {
		part := newGuard(target, status, body[:n], took)
		part.part = n
		parts = append(parts, part)
	}
	return parts
}

// learnParts is for a connection that has no word left where so few guards are known
// that the next one would not last either, as nothing is modified, or files are alike:
// the beginnings of a short file become guards too.
func (g *get) learnParts() {
	s := g.c.guards.now.Load()
	if s == nil || len(s.all) >= maxParts || g.b.Len == 1 || g.c.guards.rangeless.Load() > 0 || !g.c.guards.growing.TryLock() {
		return
	}
	defer g.c.guards.growing.Unlock()
	for _, k := range s.all {
		if k.part == 0 && k.status == http.StatusOK && k.size > maxParts {
			g.c.guards.more(g.askParts(k.target))
			return
		}
	}
}
