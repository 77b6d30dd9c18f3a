package catalog

import (
	"fmt"
	"io/fs"
	"path"

	"github.com/assay-gitops/assay/internal/render/raw"
	"github.com/assay-gitops/assay/policy"
)

// LibraryScheme precedes the names of files that are part of the program, so that nobody takes them for files of the
// tree that is checked.
const LibraryScheme = "assay-library:"

// readLibrary parses every YAML file of a library. A library is part of the program: what does not parse is an error.
func readLibrary(library fs.FS) ([]*policy.Object, error) {
	var objects []*policy.Object
	err := fs.WalkDir(library, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".yaml" {
			return err
		}
		content, err := fs.ReadFile(library, name)
		if err != nil {
			return err
		}
		found, problems := raw.Parse(LibraryScheme+name, content)
		if len(problems) > 0 {
			return fmt.Errorf("%s:%d: %s", name, problems[0].Location.Line, problems[0].Message)
		}
		objects = append(objects, found...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the policies that ship: %w", err)
	}
	return objects, nil
}
