//go:build linux

package e2e

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCommandsAreMarked wants each block of commands in the texts and the examples to name the
// test that runs it, or why there is none.
func TestCommandsAreMarked(t *testing.T) {
	tests := testNames(t)
	for _, text := range []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "SETTINGS.md", "METRICS.md"} {
		for _, b := range shellBlocks(readFile(t, text)) {
			checkMark(t, tests, text, b.text, b.mark)
		}
	}
	files := []string{"docker-compose.yml", "Dockerfile"}
	err := filepath.WalkDir("deploy", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		for _, comment := range commentsWithCommands(readFile(t, file)) {
			found++
			checkMark(t, tests, file, comment, comment)
		}
	}
	if found < 10 {
		t.Errorf("found commands in %d comments alone", found)
	}
}

var (
	runBy  = regexp.MustCompile(`(?i)\brun by (Test\w+)`)
	notRun = regexp.MustCompile(`(?i)\bnot run: \w+`)
)

func checkMark(t *testing.T, tests []string, file, block, mark string) {
	t.Helper()
	names := runBy.FindAllStringSubmatch(mark, -1)
	if names == nil && !notRun.MatchString(mark) {
		t.Errorf("%s: neither \"run by TestX\" nor \"not run: why\" is at:\n%s", file, block)
	}
	for _, name := range names {
		if !slices.Contains(tests, name[1]) {
			t.Errorf("%s: there is no %s, which is to run:\n%s", file, name[1], block)
		}
	}
}

// testNames returns the names of the tests in this package.
func testNames(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("internal/e2e/*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	for _, file := range files {
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(readFile(t, file), -1) {
			names = append(names, m[1])
		}
	}
	return names
}

// shellBlock is a block of commands in a text, with the line before it.
type shellBlock struct{ mark, text string }

var fence = regexp.MustCompile("(?ms)(?:^(<!--[^\n]*-->)\n)?^```sh\n(.*?)^```$")

func shellBlocks(text string) (all []shellBlock) {
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		all = append(all, shellBlock{m[1], m[2]})
	}
	return all
}

// blocksOf returns the blocks of a text that a test runs.
func blocksOf(t *testing.T, text, test string) (all []string) {
	t.Helper()
	for _, b := range shellBlocks(readFile(t, text)) {
		if names := runBy.FindStringSubmatch(b.mark); names != nil && names[1] == test {
			all = append(all, b.text)
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s has no block for %s", text, test)
	}
	return all
}

// commandLine matches a line of a comment that is a command, and a line of NOTES.txt.
var commandLine = regexp.MustCompile(`^(#|//)? {2,}(apt-get|curl|dig|docker|go|helm|install|keepalived|kubectl|nomad|promtool|systemctl)\b`)

// commentsWithCommands returns the runs of lines that begin with # and have a command in them, or
// a whole text that has no comments.
func commentsWithCommands(text string) (all []string) {
	var comment []string
	end := func() {
		if slices.ContainsFunc(comment, commandLine.MatchString) {
			all = append(all, strings.Join(comment, "\n"))
		}
		comment = nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(text, "{{/*") || strings.HasPrefix(line, "#") {
			comment = append(comment, line)
		} else {
			end()
		}
	}
	end()
	return all
}

// TestCommandsAreFound pins what counts as a block of commands.
func TestCommandsAreFound(t *testing.T) {
	blocks := shellBlocks("text\n\n<!-- run by TestX -->\n```sh\na\nb\n```\n\n```sh\nc\n```\n\n```\nlog\n```\n")
	if want := []shellBlock{{"<!-- run by TestX -->", "a\nb\n"}, {"", "c\n"}}; !slices.Equal(blocks, want) {
		t.Errorf("got %q, want %q", blocks, want)
	}
	comments := commentsWithCommands("# a\n#\n#   docker compose up\n# Run by TestX.\nservices:\n# none\n")
	if want := []string{"# a\n#\n#   docker compose up\n# Run by TestX."}; !slices.Equal(comments, want) {
		t.Errorf("got %q, want %q", comments, want)
	}
}
