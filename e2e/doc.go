// Package e2e tests layerlab from outside: the command line by testscript
// files in testdata, the rules by which packages import one another, and, in
// the folder browser, the page in Chromium.
package e2e
