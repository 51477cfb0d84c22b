package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"sync"
	"syscall"

	"github.com/motefs/motefs/cmd/motefs/internal/wording"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// maxFile bounds a configuration file, in bytes.
const maxFile = 1 << 20

// value is what one place says of a flag.
type value struct {
	texts []string // one, or those of a list
	from  string   // MOTEFS_STORE, or FILE:LINE
	place Place
}

// section is what a file says of one command, or at its top of all.
type section struct {
	values   map[string]value    // by flag
	commands map[string]*section // by name
}

// File is one file that was looked for.
type File struct {
	Path    string
	Read    bool // false: there is none, or it is Foreign
	Foreign bool // it is another user's, and was not read
	top     *section
}

// readFile reads a file whose keys are checked against the commands of root. One that is
// not there is an error only if it must be. Where own is set it is read only if it is this
// user's or root's.
func readFile(path string, must, own bool, root *cobra.Command) (File, error) {
	if path == os.DevNull { // also where that is not there
		return File{Path: path}, nil
	}
	data, err := content(path, own)
	if errors.Is(err, errForeign) {
		return File{Path: path, Foreign: true}, nil
	}
	if !must && (isNone(err) || own && errors.Is(err, os.ErrPermission)) {
		return File{Path: path}, nil
	}
	if err != nil {
		return File{}, fmt.Errorf("configuration file: %w", err)
	}
	top, err := parse(path, data, root)
	return File{Path: path, Read: true, top: top}, err
}

// isNone reports whether err says that there is no file: HOME may be a file, as that of users
// who do not log in. It may also be a directory of who this process was before, who does
// not let it in.
func isNone(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// errForeign is a file of another user's.
var errForeign = errors.New("another user's")

func content(path string, own bool) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // a fixed place, or the file that the user names
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if own {
		switch info, err := file.Stat(); {
		case err != nil:
			return nil, err
		case !belongs(info, os.Geteuid()):
			return nil, errForeign
		}
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = &os.PathError{Op: "read", Path: path, Err: fmt.Errorf("longer than %d bytes", maxFile)}
	}
	return data, err
}

// yamlLine is how the library says where an error is.
var yamlLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^yaml: (?:line (\d+): )?`) })

func parse(path string, data []byte, root *cobra.Command) (*section, error) {
	p := parser{path: path, root: root}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, second yaml.Node
	err := decoder.Decode(&document)
	if errors.Is(err, io.EOF) { // empty, or comments alone
		return &section{}, nil
	}
	if err == nil {
		if err = decoder.Decode(&second); err == nil {
			return nil, p.errorf(&second, "a second document; give one")
		}
	}
	if !errors.Is(err, io.EOF) {
		where := path
		m := yamlLine().FindStringSubmatch(err.Error())
		if m != nil && m[1] != "" {
			where += ":" + m[1]
		}
		return nil, fmt.Errorf("%s: not YAML: %s", where, yamlLine().ReplaceAllString(err.Error(), ""))
	}
	node := document.Content[0]
	if node.Tag == "!!null" {
		return &section{}, nil
	}
	return p.section(node, root)
}

// parser reads one file.
type parser struct {
	path string
	root *cobra.Command
}

func (p *parser) errorf(node *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", p.path, node.Line, fmt.Sprintf(format, args...))
}

// section reads the section of a command; the root's is the top of the file.
func (p *parser) section(node *yaml.Node, cmd *cobra.Command) (*section, error) {
	if node.Kind != yaml.MappingNode {
		return nil, p.errorf(node, "give lines of 'flag: value', or of 'command:' with such lines below")
	}
	s := &section{values: map[string]value{}, commands: map[string]*section{}}
	lines := map[string]int{}
	for i := 0; i < len(node.Content); i += 2 {
		key, val := node.Content[i], node.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			return nil, p.errorf(key, "a key that is no name")
		}
		name := key.Value
		if lines[name] != 0 {
			return nil, p.errorf(key, "%q stands twice, first in line %d", name, lines[name])
		}
		lines[name] = key.Line
		var err error
		if child := childOf(cmd, name); child != nil && (val.Kind == yaml.MappingNode || !p.takes(cmd, name)) {
			if val.Tag == "!!null" { // a section that says nothing
				continue
			}
			s.commands[name], err = p.section(val, child)
		} else if !p.takes(cmd, name) {
			err = p.unknown(key, cmd)
		} else {
			s.values[name], err = p.value(name, val, p.flagIsList(cmd, name))
		}
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// value reads what stands behind the name of a flag.
func (p *parser) value(name string, node *yaml.Node, list bool) (value, error) {
	v := value{from: fmt.Sprintf("%s:%d", p.path, node.Line)}
	items := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		if !list {
			return v, p.errorf(node, "%s takes one value, not a list", name)
		}
		items = node.Content
	}
	for _, item := range items {
		switch {
		case item.Kind == yaml.AliasNode, item.Style&yaml.TaggedStyle != 0:
			return v, p.errorf(item, "%s: aliases and tags are not read; write the value", name)
		case item.Kind != yaml.ScalarNode:
			return v, p.errorf(item, "%s: give a value", name)
		case item.Tag == "!!null":
			return v, p.errorf(item, "%s: there is no value; write \"\" for an empty one", name)
		}
		v.texts = append(v.texts, item.Value)
	}
	return v, nil
}

// unknown is the error for a key that cmd does not have, with what comes near.
func (p *parser) unknown(key *yaml.Node, cmd *cobra.Command) error {
	where := ""
	if cmd != p.root {
		where = " for " + cmd.Name()
	}
	var names []string
	if cmd == p.root {
		names = allFlags(p.root)
	} else {
		names = flagsOf(cmd)
	}
	for _, child := range cmd.Commands() {
		names = append(names, child.Name())
	}
	switch near := wording.Nearest(key.Value, names); {
	case near != "":
		return p.errorf(key, "unknown key %q%s; did you mean %s?", key.Value, where, near)
	case cmd != p.root && lookup(p.root, key.Value) != nil:
		return p.errorf(key, "unknown key %q%s; other commands have it", key.Value, where)
	}
	return p.errorf(key, "unknown key %q%s; motefs config shows all", key.Value, where)
}

// takes reports whether name is a flag of cmd; at the top, of any command.
func (p *parser) takes(cmd *cobra.Command, name string) bool {
	if cmd == p.root {
		return lookup(p.root, name) != nil
	}
	return flagOf(cmd, name) != nil
}

func (p *parser) flagIsList(cmd *cobra.Command, name string) bool {
	if cmd == p.root {
		return isList(lookup(p.root, name))
	}
	return isList(flagOf(cmd, name))
}
