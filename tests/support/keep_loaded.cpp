// Keeps shared libraries loaded until the process ends. MPI unloads its components in MPI_Finalize, before
// LeakSanitizer looks: what they lost would then come from an unknown module and could not be told from what the tests
// lost (lsan.supp).
extern "C" int dlclose(void*) { return 0; }
