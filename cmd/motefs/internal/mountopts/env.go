package mountopts

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
)

// maxEnvFile bounds a file of variables, in bytes.
const maxEnvFile = 64 << 10

var envName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`) })

// ReadEnv reads NAME=VALUE lines of a file, as EnvironmentFile= of systemd.exec(5) has
// them: empty lines and those that begin with # or ; are left out, and one pair of quotes
// around a value. It puts them into the environment by set. No error shows a value.
func ReadEnv(path string, set func(name, value string) error) error {
	file, err := os.Open(path) //nolint:gosec // the file that the user names
	if err != nil {
		return fmt.Errorf("option %s: %w", EnvFile, err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxEnvFile+1))
	if err != nil {
		return fmt.Errorf("option %s: %w", EnvFile, err)
	}
	if len(text) > maxEnvFile {
		return fmt.Errorf("option %s: %s is longer than %d bytes", EnvFile, path, maxEnvFile)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || !envName().MatchString(name) {
			return fmt.Errorf("option %s: line %d of %s is not NAME=VALUE", EnvFile, n, path)
		}
		if len(value) > 1 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
			value = value[1 : len(value)-1]
		}
		if err := set(name, value); err != nil {
			return fmt.Errorf("option %s: line %d of %s: %w", EnvFile, n, path, err)
		}
	}
	return nil
}
