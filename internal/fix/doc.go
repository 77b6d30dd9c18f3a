// Package fix turns recommended values into changes of the object that they are recommended for, and the difference of two
// objects into a JSON patch. It decides nothing about what is wrong: that is in the results that it is given.
package fix
