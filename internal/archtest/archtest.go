// Package archtest holds the laws of this tree as tests. A law that is broken
// says where, what, and why it is a law.
//
// It stands beside the straight line and checks that it stays straight. Laws
// that are about text read every Go file, whatever its build tags; those that
// need types (5 and 8) see the files of the default build. Each law
// has an archive in testdata with breaches that it must find, and clean.txtar
// holds what no law may find, so that a law cannot fall asleep or rage.
//
// Law 6 cannot be proved by reading: that every goroutine has an owner which
// waits is shown by the tests of each package, and the law demands that they
// look. Of law 8, the one file and one template folder per page is for
// reviewers.
//
// The package must not know what the code does, only how it is arranged.
package archtest

import "fmt"

// law is one rule for the whole tree.
type law struct {
	number int
	text   string // the rule, in a sentence
	reason string // why it is one
	find   func(*tree) []breach
}

// breach is one place where a law is broken.
type breach struct {
	where string // path and line, relative to the tree
	what  string
}

func (b breach) String() string { return b.where + ": " + b.what }

// laws are those of the architecture, by number.
var laws = []law{
	{
		1, "kiosk and hub never import each other, internal imports neither, only internal/e2e may import both",
		"the two programs meet only on the wire, so that either can be replaced or upgraded alone", separation,
	},
	{
		2, "packages of pure rules do no input or output, start no goroutine and never ask for the time",
		"what decides how a press counts must give the same answer on the kiosk, on the hub and in a recount years later", purity,
	},
	{
		3, "every large dependency has one importer",
		"a driver's or toolkit's types that leak make it impossible to replace, and its traps are then fallen into twice", singleImporters,
	},
	{
		4, "cgo is in kiosk/window.go alone, behind the tag gui",
		"the tree must build and test on a bare machine, and a kiosk without a screen is one static binary", noCgo,
	},
	{
		5, "no init, no package variable changes, only packages ending in test import testing, no replace, no package named for nothing",
		"a program is a value: two kiosks and a hub must live in one test without knowing of each other", noHiddenState,
	},
	{
		6, "every goroutine has an owner that waits for it",
		"a goroutine that outlives its owner writes into a closed store", ownedGoroutines,
	},
	{
		7, "every package has a comment, every exported name is documented, paths named in documents exist",
		"package comments are the architecture document; a path that is gone sends its reader astray", documented,
	},
	{
		8, "files have at most 600 lines, functions 80, and interfaces 5 methods unless they name their conformance suite",
		"a tidy tree decays by one file that everything is added to; guard the maximum", small,
	},
	{
		9, "tests do not sleep to wait for something",
		"a sleep is too short on a slow machine and too long on all others; use testing/synctest or wait for what can be seen", awake,
	},
}

// position formats a place in a file.
func position(path string, line int) string { return fmt.Sprintf("%s:%d", path, line) }
