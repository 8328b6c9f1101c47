package migration_test

import (
	"testing"
	"testing/fstest"

	"sourire/internal/migration"
)

// internal/sqlite and hub/store/sqlstore test Run on their databases.
func TestSteps(t *testing.T) {
	got, err := migration.Steps(fstest.MapFS{
		"0002_b.sql": {Data: []byte("two")}, "0001_a.sql": {Data: []byte("one")},
		"README.md": {Data: []byte("text")}, "sub/0003_c.sql": {Data: []byte("three")},
	})
	if err != nil || len(got) != 2 ||
		got[0] != (migration.Step{Name: "0001_a", SQL: "one"}) || got[1] != (migration.Step{Name: "0002_b", SQL: "two"}) {
		t.Errorf("got %q, %v, want the two steps in order", got, err)
	}
}
