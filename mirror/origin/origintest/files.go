package origintest

import (
	"cmp"
	"slices"
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
		sorted []int // the files' places in listed, by name, each name once
	}
}

var _ serve.KeyLister = (*Files)(nil)

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
	sorted := make([]int, 0, len(byName))
	for _, i := range byName {
		sorted = append(sorted, i)
	}
	slices.SortFunc(sorted, func(i, j int) int { return cmp.Compare(files[i].Name, files[j].Name) })
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.listed, f.mu.byName, f.mu.sorted = files, byName, sorted
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

// Keys lists the files by name. A file without a name is left out: no key is empty.
func (f *Files) Keys(from []byte, add func(*serve.Key) bool) error {
	f.mu.RLock()
	listed, sorted := f.mu.listed, f.mu.sorted
	f.mu.RUnlock()
	at, _ := slices.BinarySearchFunc(sorted, string(from), func(i int, from string) int { return cmp.Compare(listed[i].Name, from) })
	for _, i := range sorted[at:] {
		file := &listed[i]
		key := serve.Key{Name: []byte(file.Name), Size: int64(len(file.Body)), ModTime: file.ModTime, ETag: []byte(file.ETag)}
		if file.Name != "" && !add(&key) {
			break
		}
	}
	return nil
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
