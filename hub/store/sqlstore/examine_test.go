package sqlstore

import (
	"strings"
	"testing"

	"sourire/internal/postgrestest"
)

// There is no old server here: this one is made old.
func TestExamine_refusesOldServers(t *testing.T) {
	config, err := parseAddress(postgrestest.Start(t).Database(), ownSetting)
	if err != nil {
		t.Fatal(err)
	}
	db := pool(config, 1, settleWriter)
	defer db.Close()
	if err := examine(t.Context(), db, minVersion); err != nil {
		t.Error(err)
	}
	err = describe(config, examine(t.Context(), db, 99_00_00))
	for _, want := range []string{"[store] postgres", "is PostgreSQL 1", "needs 99 or newer"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
}
