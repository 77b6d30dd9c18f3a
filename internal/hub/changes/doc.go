// Package changes tells those who follow a store which violations changed, as it happens.
//
// A Store is another store around which it looks at what is added. When somebody follows, the violations that new results are about are
// read again, once however many results came meanwhile, and put into a window of the newest changes that all followers share. A follower
// is a place in that window: it costs no memory, and who reads more slowly than changes come falls out of the window and is told so. Adding
// never waits for followers.
//
//	kept := changes.New(sqlite, logger)
//	follower := kept.Follow("")
//	defer follower.Leave()
//	for {
//		batch, lost, news := follower.Next(64)
//		…
//		<-news
//	}
//
// What is not told: that a result of audit said that nothing changed, and that old violations were forgotten.
package changes
