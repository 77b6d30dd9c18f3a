package policyfile

// BuildSchema does what the first object of a kind makes necessary.
func BuildSchema(kind string) error {
	_, err := buildSchema(kind)
	return err
}
