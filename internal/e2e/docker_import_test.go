//go:build linux

package e2e

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// importBinary makes an image that is one static binary, of the package in dir.
func importBinary(t *testing.T, image, dir string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "program")
	buildStatic(t, binary, dir)
	importImage(t, image, func(tw *tar.Writer) error {
		return errors.Join(addTree(tw, "fourseven", binary), tw.Close())
	}, `ENTRYPOINT ["/fourseven"]`)
}

func buildStatic(t *testing.T, binary, dir string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-trimpath", "-o", binary, dir)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	output(t, cmd)
}

// importBuilder makes an image for the Dockerfile to build in: Go as it stands on
// this machine, and the modules that the program links.
func importBuilder(t *testing.T, image string) {
	t.Helper()
	goroot, modules := goTool(t, "env", "GOROOT"), moduleCache(t)
	// What is built from the image inherits the label, by which it is found again.
	label := "fourseven.test=" + image
	t.Cleanup(func() { docker(t, "image", "prune", "--force", "--filter", "label="+label) })
	importImage(t, image, func(tw *tar.Writer) error {
		errs := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777})
		for _, part := range []string{"LICENSE", "PATENTS", "VERSION", "go.env", "bin/go", "pkg/include", "pkg/tool", "src"} {
			errs = errors.Join(errs, addTree(tw, path.Join("usr/local/go", part), filepath.Join(goroot, part)))
		}
		return errors.Join(errs, addTree(tw, "go/pkg/mod", modules), tw.Close())
	}, "LABEL "+label, "ENV PATH=/usr/local/go/bin GOPATH=/go GOCACHE=/tmp/cache GOPROXY=off")
}

// moduleCache returns a new module cache with what the Dockerfile may download and nothing
// else: the modules that are linked.
func moduleCache(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	known := "file://" + goTool(t, "env", "GOMODCACHE") + "/cache/download"
	env := append(os.Environ(), "GOMODCACHE="+dir, "GOPROXY="+known+","+goTool(t, "env", "GOPROXY"), "GOFLAGS=-modcacherw")
	for _, args := range [][]string{
		append([]string{"mod", "download"}, linkedModules(t)...),
		{"list", "-deps", "./testdata/backend"},
		{"list", "-C", "internal/inventory", "-deps", "."},
	} {
		cmd := exec.Command("go", args...)
		cmd.Env = env
		output(t, cmd)
	}
	return dir
}

// importImage makes an image of what write puts into a tar, with these changes
// in the words of a Dockerfile. The image is removed at the end of the test.
func importImage(t *testing.T, image string, write func(*tar.Writer) error, changes ...string) {
	t.Helper()
	args := []string{"import"}
	for _, change := range changes {
		args = append(args, "--change", change)
	}
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(write(tar.NewWriter(w))) }()
	cmd := exec.Command("docker", append(args, "-", image)...)
	cmd.Stdin = r
	output(t, cmd)
	t.Cleanup(func() { docker(t, "rmi", image) })
}

// addTree adds the files under root, or root itself if it is a file, without
// those that go build does not read.
func addTree(tw *tar.Writer, name, root string) error {
	return filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || strings.HasSuffix(file, "/src/cmd")):
			return fs.SkipDir
		case !d.Type().IsRegular() || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		header := &tar.Header{Name: path.Join(name, strings.TrimPrefix(file, root)), Mode: 0o755, Size: int64(len(content))}
		if err := tw.WriteHeader(header); err != nil {
			return err
		}
		_, err = tw.Write(content)
		return err
	})
}
