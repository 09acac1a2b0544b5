// What computes: processor and libraries of linear algebra, as this process has them.
#pragma once

#include <string>

namespace tutti::bench {

/// "AMD EPYC", of the first processor.
std::string processor_name();

/// The file that BLAS's sgemm comes from, with links resolved. libtorch asks it where oneDNN is not asked.
std::string blas_library();

/// Version and file of oneDNN, which the trainer asks for dense layers and convolutions of f32.
std::string onednn_library();

}  // namespace tutti::bench
