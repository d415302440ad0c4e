// Keeps the heap of a service that runs for months as small as what it holds.

#if canImport(Glibc)
  import CGlibc
  import Glibc

  /// Keeps the heap to two arenas, unless the environment variable MALLOC_ARENA_MAX says another number.
  ///
  /// glibc makes up to eight arenas a core (mallopt(3), M_ARENA_MAX), and what a thread freed in one is of no use
  /// to threads that allocate from another: tasks that wander between threads leave memory behind in each.
  /// To be called before the first other thread is made.
  func limitHeapArenas() {
    if getenv("MALLOC_ARENA_MAX") == nil { mallopt(M_ARENA_MAX, 2) }
  }
#else
  /// Other C libraries keep no arenas.
  func limitHeapArenas() {}
#endif
