package tlsconf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const (
	maxFile  = 1 << 20 // bytes
	maxPairs = 1000    // of a directory
)

// read returns the value again, from its file if it has one. What can be read only once,
// such as a pipe, keeps its value.
func (t Text) read() (string, error) {
	if t.Path == "" {
		return t.Value, nil
	}
	if info, err := os.Stat(t.Path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return t.Value, nil
	}
	content, err := readFile(t.Path)
	if err == nil && len(bytes.TrimSpace(content)) == 0 {
		return "", fmt.Errorf("read %s: it is empty", t.Path) // and not: there are no authorities
	}
	// As the settings are read: their value must not seem to have changed.
	return strings.TrimRight(strings.TrimPrefix(string(content), "\ufeff"), "\r\n"), err
}

// readFile reads a regular file.
func readFile(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO would wait
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: not a regular file", path)
	}
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("read %s: it is longer than 1 MiB", path)
	}
	return content, err
}

// Pair is a certificate with its chain and its key, in PEM, as they are in a directory.
type Pair struct {
	Name      string // name, folder/name, or for the only names of a folder the folder
	Cert, Key []byte
}

// ReadDir reads the pairs of a directory and of the folders in it, in the order of their
// names: name.crt with name.key, which tls.crt and tls.key of a Kubernetes secret are, too;
// and fullchain.pem with privkey.pem, as certbot has them in a folder for each name. There
// must be at least one. Names that begin with a dot are left out, and so is ca.crt.
func ReadDir(dir string) ([]Pair, error) {
	all, err := readFolder(dir, "")
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path) // follows symbolic links
		if err != nil || !info.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		pairs, err := readFolder(path, e.Name()+"/")
		if err != nil {
			return nil, err
		}
		if all = append(all, pairs...); len(all) > maxPairs {
			return nil, fmt.Errorf("%s has more than %d pairs", dir, maxPairs)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no pair: expected name.crt and name.key, or fullchain.pem and privkey.pem, there or in folders", dir)
	}
	return all, nil
}

// readFolder reads the pairs of one folder.
func readFolder(dir, prefix string) (all []Pair, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	for _, cert := range names {
		name, key := split(cert)
		if key == "" {
			if orphan(cert, names) {
				return nil, fmt.Errorf("%s has no certificate beside it", filepath.Join(dir, cert))
			}
			continue
		}
		if !slices.Contains(names, key) {
			return nil, fmt.Errorf("%s has no %s beside it", filepath.Join(dir, cert), key)
		}
		p := Pair{Name: prefix + name}
		if prefix != "" && (name == "fullchain" || name == "tls") {
			p.Name = strings.TrimSuffix(prefix, "/")
		}
		var errs [2]error
		p.Cert, errs[0] = readFile(filepath.Join(dir, cert))
		p.Key, errs[1] = readFile(filepath.Join(dir, key))
		if err := errors.Join(errs[:]...); err != nil {
			return nil, err
		}
		if all = append(all, p); len(all) > maxPairs {
			return nil, fmt.Errorf("%s has more than %d pairs", dir, maxPairs)
		}
	}
	return all, nil
}

// split returns the name of the pair whose certificate a file is, and the name of its
// key's file; both are empty if the file is none.
func split(file string) (name, key string) {
	name, isCert := strings.CutSuffix(file, ".crt")
	switch {
	case strings.HasPrefix(file, "."), file == "ca.crt":
		return "", ""
	case isCert:
		return name, name + ".key"
	case file == "fullchain.pem":
		return "fullchain", "privkey.pem"
	}
	return "", ""
}

// orphan reports whether a file is a key without a certificate.
func orphan(file string, names []string) bool {
	name, isKey := strings.CutSuffix(file, ".key")
	return isKey && !strings.HasPrefix(file, ".") && !slices.Contains(names, name+".crt")
}
