package archtest

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestLaws holds this tree to its laws.
func TestLaws(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := load(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.broken) > 0 {
		t.Errorf("the laws that need types were not applied everywhere:\n%s", list(tree.broken))
	}
	for i, law := range laws {
		if law.number != i+1 {
			t.Fatalf("law %d stands in place %d", law.number, i+1)
		}
		t.Run("law "+strconv.Itoa(law.number), func(t *testing.T) {
			found := law.find(tree)
			if len(found) > 0 {
				t.Errorf("law %d: %s;\nfor %s.\nIt is broken by\n%s", law.number, law.text, law.reason, list(found))
			}
		})
	}
}

// Each law finds what its archive says, and nothing in the clean one.
func TestLaws_breaches(t *testing.T) {
	clean := unpack(t, "testdata/clean.txtar")
	for _, law := range laws {
		t.Run("law "+strconv.Itoa(law.number), func(t *testing.T) {
			name := "testdata/law" + strconv.Itoa(law.number) + ".txtar"
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.TrimSpace(string(archive.Comment))
			if got := list(law.find(unpack(t, name))); got != want || want == "" {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if got := law.find(clean); len(got) > 0 {
				t.Errorf("got in the clean tree\n%s", list(got))
			}
		})
	}
}

// list writes breaches in order, one a line.
func list(found []breach) string {
	lines := make([]string, len(found))
	for i, b := range found {
		lines[i] = b.String()
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// unpack writes an archive into a folder and loads it as a tree.
func unpack(t *testing.T, name string) *tree {
	t.Helper()
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for _, f := range archive.Files {
		path := filepath.Join(root, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		// "LINES n" stands for so many lines.
		text := string(f.Data)
		if before, rest, found := strings.Cut(text, "LINES "); found {
			number, after, _ := strings.Cut(rest, "\n")
			n, err := strconv.Atoi(number)
			if err != nil {
				t.Fatal(err)
			}
			text = before + strings.Repeat("\n", n) + after
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := load(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.broken) > 0 {
		t.Fatalf("%s:\n%s", name, list(tree.broken))
	}
	return tree
}
