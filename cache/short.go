package cache

// Short reports whether the store had too little room when that was last looked at, so that
// nothing more is stored now. Unlike Room it looks at nothing.
func (s *Store) Short() bool { return s.room.short.Load() || s.room.waiting.Load() > 0 }

// Free is how many bytes of the store's disk this user may still take.
func (s *Store) Free() (uint64, error) {
	bytes, _, err := s.room.free()
	return bytes, err
}
