package sqlstore_test

import (
	"context"
	"path/filepath"
	"testing"

	"sourire/hub/fleet"
	"sourire/hub/store/sqlstore"
	"sourire/hub/store/storetest"
)

func TestStore_insight(t *testing.T) {
	storetest.Insight(t, func(t *testing.T) storetest.InsightStore { return openFile(t) })
}

func TestStore_fleet(t *testing.T) {
	storetest.Fleet(t, func(t *testing.T) fleet.Store { return openFile(t) })
}

// openFile returns an empty store in a file, which is closed when the test ends.
func openFile(t *testing.T) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(context.Background(), filepath.Join(t.TempDir(), "hub.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
