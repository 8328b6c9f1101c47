package sqlstore_test

import (
	"testing"

	"sourire/hub/store/storetest"
)

func TestStore_archive(t *testing.T) {
	t.Parallel() // what takes long shares the cores
	storetest.Archive(t, create)
}
