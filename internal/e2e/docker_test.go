package e2e

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// TestDockerfile builds the Dockerfile's images. Their builder is made on the
// spot from this machine's Go: no registry is asked, and nothing is downloaded.
func TestDockerfile(t *testing.T) {
	if os.Getenv("CI") != "true" {
		t.Skip("compiles the standard library in a container, for a minute: runs where CI=true")
	}
	needDocker(t)
	project := fmt.Sprintf("fourseven-test-%d", os.Getpid())
	importBuilder(t, project+"-builder")
	build := func(target string) (image string) {
		image = project + "-dockerfile-" + target
		docker(t, "build", "--force-rm", "--network", "none", "--target", target, "-t", image,
			"--build-arg", "GO_IMAGE="+project+"-builder", "--build-arg", "VERSION=1.2.3", "--build-arg", "REVISION=c0ffee", ".")
		t.Cleanup(func() { docker(t, "rmi", image) })
		return image
	}
	identity := func(image string) string {
		return docker(t, "inspect", "--format", "{{.Config.User}} {{.Config.Entrypoint}} {{len .RootFS.Layers}}", image)
	}
	if got, want := identity(build("backend")), "65532:65532 [/backend] 1"; got != want {
		t.Errorf("backend: got %s, want %s", got, want)
	}
	image := build("fourseven")
	if got, want := identity(image), "65532:65532 [/fourseven] 2"; got != want {
		t.Errorf("fourseven: got %s, want %s", got, want)
	}
	if got, want := docker(t, "inspect", "--format", "{{.Config.Healthcheck.Test}}", image), "[CMD /fourseven healthcheck]"; got != want {
		t.Errorf("healthcheck: got %s, want %s", got, want)
	}
	confined := []string{"run", "--rm", "--read-only", "--network", "none", "--cap-drop", "ALL", image}
	if got := docker(t, append(confined, "version")...); !strings.Contains(got, "1.2.3") {
		t.Errorf("version: got %s, want 1.2.3", got)
	}
	var exit *exec.ExitError
	if err := exec.Command("docker", confined...).Run(); !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Errorf("without settings: got %v, want exit status 2", err)
	}
	checkLabels(t, image)
	checkModules(t, image)
	checkHealthcheck(t, image)
}

// needDocker skips the test where there is no Docker engine.
func needDocker(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("docker", "version").CombinedOutput(); err != nil {
		t.Logf("docker version: %v\n%s", err, out)
		missing(t, "a Docker engine")
	}
}

// missing skips a test that needs a program which is not there, or fails it in
// CI, where nothing may be left out.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("needs " + what)
	}
	t.Skip("needs " + what)
}

func docker(t *testing.T, args ...string) string {
	t.Helper()
	return output(t, exec.Command("docker", args...))
}

func goTool(t *testing.T, args ...string) string {
	t.Helper()
	return output(t, exec.Command("go", args...))
}

// output runs a command that must succeed.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, out, stderr.Bytes())
	}
	return strings.TrimSpace(string(out))
}

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
// this machine, and the modules of go.mod.
func importBuilder(t *testing.T, image string) {
	t.Helper()
	goroot, modules := goTool(t, "env", "GOROOT"), moduleCache(t)
	// What is built from the image inherits the label, by which it is found again.
	label := "fourseven.test=" + image
	t.Cleanup(func() { docker(t, "image", "prune", "--force", "--filter", "label="+label) })
	importImage(t, image, func(tw *tar.Writer) error {
		errs := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777})
		for _, part := range []string{"VERSION", "go.env", "bin/go", "pkg/include", "pkg/tool", "src"} {
			errs = errors.Join(errs, addTree(tw, path.Join("usr/local/go", part), filepath.Join(goroot, part)))
		}
		return errors.Join(errs, addTree(tw, "go/pkg/mod", modules), tw.Close())
	}, "LABEL "+label, "ENV PATH=/usr/local/go/bin GOPATH=/go GOCACHE=/tmp/cache GOPROXY=off")
}

// moduleCache returns a new module cache with the modules of go.mod and no others.
func moduleCache(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	known := "file://" + goTool(t, "env", "GOMODCACHE") + "/cache/download"
	cmd := exec.Command("go", "mod", "download", "-modcacherw")
	cmd.Env = append(os.Environ(), "GOMODCACHE="+dir, "GOPROXY="+known+","+goTool(t, "env", "GOPROXY"))
	output(t, cmd)
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
