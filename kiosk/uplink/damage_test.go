package uplink_test

import (
	"testing"

	"sourire/internal/sqlite"
)

// damage flips a bit in the record of press 30, where SQLite does not look.
func damage(t *testing.T, path string) {
	t.Helper()
	db, err := sqlite.Open(path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Write.Exec(`UPDATE record SET body = CAST(replace(body, '1,30]', '0,30]') AS BLOB)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
