package bare_test

import (
	"database/sql"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // "pgx"

	"sourire/hub/store/sqlstore/bare"
	"sourire/internal/postgrestest"
)

// What the limit claims to write is there: else it would be no limit.
func TestDB(t *testing.T) {
	address := postgrestest.Start(t).Database()
	d, err := bare.Open(t.Context(), address, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for range 2 { // a source comes twice
		if err := d.Write(t.Context(), 2, 10); err != nil {
			t.Fatal(err)
		}
	}
	if took, err := d.CommitOne(t.Context()); err != nil || took <= 0 {
		t.Errorf("got %v, %v", took, err)
	}
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for query, want := range map[string]int{
		"SELECT count(*) FROM record":                                   41,
		"SELECT count(*) FROM visit":                                    40,
		"SELECT count(DISTINCT source) FROM record":                     4,
		"SELECT max(seq) FROM record WHERE source = 0":                  20,
		"SELECT count(*) FROM record r JOIN visit v USING (source,seq)": 40,
	} {
		var got int
		if err := db.QueryRow(query).Scan(&got); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", query, got, err, want)
		}
	}
}
