/* bcryptprimitives.dll for Wine 8, which lacks it: Rust's standard library imports this one function of it. Tests only. */
#include <windows.h>

BOOLEAN WINAPI SystemFunction036(PVOID buffer, ULONG size_bytes); /* RtlGenRandom */

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T size_bytes)
{
    while (size_bytes > 0) {
        ULONG part = size_bytes < 0x10000 ? (ULONG)size_bytes : 0x10000;
        if (!SystemFunction036(buffer, part))
            return FALSE;
        buffer += part;
        size_bytes -= part;
    }
    return TRUE;
}
