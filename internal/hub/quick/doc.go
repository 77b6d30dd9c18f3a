// Package quick reads results as agents write them, many times faster than encoding/json, and exactly as that reads them.
//
// It knows the fields of a result in their usual form: no white space, no field twice, no other letters. What is different in any way it
// does not read and does not judge: the caller then asks encoding/json, which takes it or says what is wrong with it. So a field that is new
// costs time until it is known here, and nothing else.
//
// Most of a result is a policy and a manifest, and most results have those of a result before. Text that begins with a policy that was
// read already has that policy, as an object of JSON ends where it ends: it is compared and not read.
package quick
