package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/build/constraint"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
)

// separation is law 1.
func separation(t *tree) []breach {
	forbidden := map[string][]string{
		"kiosk":    {"hub"},
		"hub":      {"kiosk"},
		"internal": {"kiosk", "hub"},
		"assets":   {"kiosk", "hub", "internal"},
	}
	var found []breach
	for _, f := range t.files {
		top, _, _ := strings.Cut(f.path, "/")
		if within(f.dir(), "internal/e2e") {
			continue
		}
		for _, i := range t.imports(f) {
			dir, ours := own(i.path)
			theirs, _, _ := strings.Cut(dir, "/")
			if ours && slices.Contains(forbidden[top], theirs) {
				found = append(found, breach{position(f.path, i.line), fmt.Sprintf("%s imports %s", top, dir)})
			}
		}
	}
	return found
}

// purePackages are the subjects of law 2.
var purePackages = []string{
	"internal/feedback", "internal/visit", "internal/schedule",
	"hub/rollup", "hub/kpi", "hub/change", "kiosk/session",
}

// impureImports are refused in pure packages, with all below them.
var impureImports = []string{"os", "net", "database", "log", "syscall", "golang.org/x/sync"}

// clockFuncs of package time read or follow the clock.
var clockFuncs = []string{
	"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer",
}

// purity is law 2. What a pure package of ours imports from us must be as pure.
func purity(t *tree) []breach {
	var found []breach
	checked := map[string]bool{}
	queue := slices.Clone(purePackages)
	for len(queue) > 0 {
		dir := queue[0]
		queue = queue[1:]
		if checked[dir] {
			continue
		}
		checked[dir] = true
		for _, f := range t.files {
			if f.dir() != dir || f.test {
				continue
			}
			found = append(found, t.impurities(f)...)
			for _, i := range t.imports(f) {
				if d, ours := own(i.path); ours {
					queue = append(queue, d)
				}
			}
		}
	}
	return found
}

func (t *tree) impurities(f *file) []breach {
	var found []breach
	for _, i := range t.imports(f) {
		if slices.ContainsFunc(impureImports, func(root string) bool { return within(i.path, root) }) {
			found = append(found, breach{position(f.path, i.line), "a pure package, or one it stands on, imports " + i.path})
		}
		if first, _, _ := strings.Cut(i.path, "/"); f.dir() == "internal/feedback" && (first == module || strings.Contains(first, ".")) {
			found = append(found, breach{position(f.path, i.line), "the vocabulary imports " + i.path + ", beyond the standard library"})
		}
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, breach{t.at(f, n), "a pure package, or one it stands on, starts a goroutine"})
		case *ast.SelectorExpr:
			if name, ok := selects(f, n, "time"); ok && slices.Contains(clockFuncs, name) {
				found = append(found, breach{t.at(f, n), "a pure package, or one it stands on, calls time." + name})
			}
		}
		return true
	})
	return found
}

// selects returns the name that an expression takes from an imported package.
func selects(f *file, n *ast.SelectorExpr, importPath string) (name string, ok bool) {
	x, isIdent := n.X.(*ast.Ident)
	if !isIdent {
		return "", false
	}
	for _, spec := range f.syntax.Imports {
		if strings.Trim(spec.Path.Value, `"`) != importPath {
			continue
		}
		local := path.Base(importPath)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		if local == x.Name {
			return n.Sel.Name, true
		}
	}
	return "", false
}

// importers says who may import a dependency; the first rule that matches an
// import counts. An entry is a folder or a file.
var importers = []struct {
	dependency string
	allowed    []string
}{
	{"fyne.io/fyne/v2/app", []string{"kiosk/window.go"}},
	{"fyne.io/fyne/v2", []string{"kiosk/screen", "kiosk/window.go"}},
	{"github.com/warthog618/go-gpiocdev", []string{"kiosk/input/gpio"}},
	{"modernc.org", []string{"internal/sqlite"}},
	{"github.com/eclipse/paho.mqtt.golang", []string{"internal/link"}},
	{"github.com/nats-io", []string{"hub/broker"}},
	{"github.com/jackc/pgx", []string{"hub/store/sqlstore"}},
	{"github.com/xuri/excelize", []string{"hub/report"}},
	{"codeberg.org/go-pdf/fpdf", []string{"hub/report"}},
	{"github.com/alecthomas/kong", []string{"internal/command"}},
	{"github.com/BurntSushi/toml", []string{"internal/setting", "internal/i18n"}},
}

// singleImporters is law 3. Tests may use the real thing to check ours against it.
func singleImporters(t *tree) []breach {
	var found []breach
	for _, f := range t.files {
		if f.test {
			continue
		}
		for _, i := range t.imports(f) {
			if allowed := mayImport(f, i.path); allowed != nil {
				found = append(found, breach{
					position(f.path, i.line),
					fmt.Sprintf("imports %s, which is for %s alone", i.path, strings.Join(allowed, " and ")),
				})
			}
		}
	}
	return found
}

// mayImport returns nil when f may import the package, else who may.
func mayImport(f *file, importPath string) (others []string) {
	for _, rule := range importers {
		if !within(importPath, rule.dependency) {
			continue
		}
		for _, allowed := range rule.allowed {
			if within(f.path, allowed) {
				return nil
			}
		}
		return rule.allowed
	}
	return nil
}

// windowFile is the one file that may need cgo.
const windowFile = "kiosk/window.go"

// noCgo is law 4.
func noCgo(t *tree) []breach {
	var found []breach
	for _, f := range t.files {
		if f.path == windowFile {
			if !buildsOnlyWith(f, "gui") {
				found = append(found, breach{f.path, "lacks the line //go:build gui"})
			}
			continue
		}
		for _, i := range t.imports(f) {
			if i.path == "C" {
				found = append(found, breach{position(f.path, i.line), "uses cgo"})
			}
		}
	}
	return append(found, t.cgoDependencies()...)
}

// buildsOnlyWith reports whether the file is left out when a tag is not given.
func buildsOnlyWith(f *file, tag string) bool {
	for _, group := range f.syntax.Comments {
		for _, c := range group.List {
			if expr, err := constraint.Parse(c.Text); err == nil && c.Pos() < f.syntax.Package {
				return !expr.Eval(func(t string) bool { return t != tag })
			}
		}
	}
	return false
}

// cgoDependencies finds packages of others, needed by the default build or its
// tests, that contain C.
func (t *tree) cgoDependencies() []breach {
	list := exec.Command("go", "list", "-deps", "-test", "-json=ImportPath,Standard,CgoFiles", "./...")
	list.Dir = t.root
	list.Env = append(list.Environ(), "CGO_ENABLED=1")
	out, err := list.Output()
	if err != nil {
		return []breach{{"go.mod", "the packages cannot be listed: " + err.Error()}}
	}
	var found []breach
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg struct {
			ImportPath string
			Standard   bool
			CgoFiles   []string
		}
		if err := decoder.Decode(&pkg); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			return append(found, breach{"go.mod", "the packages cannot be listed: " + err.Error()})
		}
		if len(pkg.CgoFiles) > 0 && !pkg.Standard && !within(pkg.ImportPath, module) {
			found = append(found, breach{"go.mod", "the default build needs " + pkg.ImportPath + ", which needs cgo"})
		}
	}
}
