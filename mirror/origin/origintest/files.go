package origintest

import (
	"strconv"
	"sync"
	"time"

	"github.com/motefs/motefs/mirror/origin/serve"
)

// File is one file of a Files.
type File struct {
	Name string
	Body []byte
	// ModTime and ETag are sent where they are not zero.
	ModTime time.Time
	ETag    string
}

// Files is a source of a few files in memory, listed in the order in which
// they were given. The same name may stand in it twice; the first one is got.
// It is safe for use by many goroutines.
type Files struct {
	mu struct {
		sync.RWMutex
		listed []File
		byName map[string]int
	}
}

var _ serve.Source = (*Files)(nil)

// NewFiles returns a source of those files.
func NewFiles(files ...File) *Files {
	f := &Files{}
	f.Set(files...)
	return f
}

// Set replaces all files.
func (f *Files) Set(files ...File) {
	byName := make(map[string]int, len(files))
	for i := range files {
		if _, ok := byName[files[i].Name]; !ok {
			byName[files[i].Name] = i
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.listed, f.mu.byName = files, byName
}

// Vanish makes a get of name answer 404 while it stays listed.
func (f *Files) Vanish(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.mu.byName, name)
}

// Page lists from the position that marker says.
func (f *Files) Page(marker string, limit int, add func(name []byte)) (string, error) {
	f.mu.RLock()
	listed := f.mu.listed
	f.mu.RUnlock()
	from := 0
	if marker != "" {
		var err error
		if from, err = strconv.Atoi(marker); err != nil || from <= 0 || from > len(listed) || strconv.Itoa(from) != marker {
			return "", serve.ErrMarker
		}
	}
	to := min(from+limit, len(listed))
	for i := from; i < to; i++ {
		add([]byte(listed[i].Name))
	}
	if to == len(listed) {
		return "", nil
	}
	return strconv.Itoa(to), nil
}

// Get describes the file of that name.
func (f *Files) Get(name []byte, o *serve.Object) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	i, ok := f.mu.byName[string(name)]
	if !ok {
		return serve.ErrNotFound
	}
	file := &f.mu.listed[i]
	o.Body = file.Body
	o.ModTime = file.ModTime
	o.ETag = append(o.ETag[:0], file.ETag...)
	return nil
}
