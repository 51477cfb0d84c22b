package serve

import "sync/atomic"

// Switch is a source that can be replaced by another while it is served: an origin
// that changes. Each request is answered by one of them alone.
type Switch struct{ now atomic.Pointer[Source] }

var (
	_ PageTagger = (*Switch)(nil)
	_ KeyLister  = (*Switch)(nil)
)

// NewSwitch returns a switch that is at src.
func NewSwitch(src Source) *Switch {
	s := &Switch{}
	s.Set(src)
	return s
}

// Set replaces the source for all requests that come from now on. The one before
// belongs to the caller as it did, and may still be in use.
func (s *Switch) Set(src Source) { s.now.Store(&src) }

// Page implements Source.
func (s *Switch) Page(marker string, limit int, add func(name []byte)) (next string, err error) {
	return (*s.now.Load()).Page(marker, limit, add)
}

// TaggedPage implements PageTagger. Sources that are none have pages without ETags.
func (s *Switch) TaggedPage(marker string, limit int, told func(etag []byte) bool, add func(name []byte)) (next string, err error) {
	src := *s.now.Load()
	if tagger, ok := src.(PageTagger); ok {
		return tagger.TaggedPage(marker, limit, told, add)
	}
	return src.Page(marker, limit, add)
}

// Keys implements KeyLister. Sources that are none are unordered.
func (s *Switch) Keys(from []byte, add func(*Key) bool) error {
	if lister, ok := (*s.now.Load()).(KeyLister); ok {
		return lister.Keys(from, add)
	}
	return ErrUnordered
}

// Get implements Source.
func (s *Switch) Get(name []byte, o *Object) error { return (*s.now.Load()).Get(name, o) }
