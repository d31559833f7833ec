local docs
