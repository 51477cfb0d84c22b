package cache

// OriginOf returns whose files the store in dir holds. It reads the FORMAT file alone, and
// takes and changes nothing. The error is ErrFormat where there is no store, or the disk's.
func OriginOf(dir string) (string, error) {
	o := Options{Dir: dir, Beside: true}
	o.EnsureDefaults()
	f, err := inspect(&o)
	if err != nil {
		return "", err
	}
	return f.Origin, nil
}
