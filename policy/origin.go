package policy

// Location is a place in a file that a person wrote.
type Location struct {
	// File with forward slashes, relative to the root of the run.
	File string
	// Line and Column are counted from 1; Column counts characters. Zero means unknown. EndLine is inclusive,
	// EndColumn exclusive.
	Line, Column, EndLine, EndColumn int
	// Note says what the place has to do with the field, such as "set by this patch". Empty when it is the field itself.
	Note string
}

// Origin tells where an object and its fields were written. Implementations are safe for concurrent use and may read
// the files when first asked.
type Origin interface {
	// Root is the unit that the object came from as a person would name it: the file, the kustomization's or the
	// chart's folder.
	Root() string
	// Object is the place where the object begins.
	Object() Location
	// Field returns the places that lead to a field, the one that a person must edit first. When the field itself is
	// absent, its nearest present parent stands in. There is always at least one.
	Field(path Path) []Location
}
